{{- define "heyrelay.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "heyrelay.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "heyrelay.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "heyrelay.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "heyrelay.containerSecurity" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end }}

{{/* The configuration: what the chart sets, under what the values give. */}}
{{- define "heyrelay.config" -}}
{{- $listener := dict "address" "0.0.0.0:2525" "allow" (prepend .Values.allow "127.0.0.1") }}
{{- $config := dict
  "spool" (dict "url" "sqlite:/var/lib/heyrelay/heyrelay.db")
  "metrics" (dict "address" "0.0.0.0:9125")
  "log" (dict "format" "json")
  "shutdown_timeout" "20s" }}
{{- with .Values.tls.existingSecret }}
  {{- $_ := set $listener "tls" "starttls" }}
  {{- $_ := set $config "tls" (dict "certificate" "/run/secrets/tls/tls.crt" "key" "/run/secrets/tls/tls.key") }}
{{- end }}
{{- $_ := set $config "listeners" (list $listener) }}
{{- with .Values.files.publicURL }}
  {{- $blobs := dict "url" "file:///var/lib/heyrelay/blobs" "listen" "0.0.0.0:8027" "public_url" . }}
  {{- $_ := set $config "blobs" (set $blobs "proxies" $.Values.files.proxies) }}
{{- end }}
{{- if .Values.sandbox.enabled }}
  {{- $url := printf "http://%s-sandbox:8026" (include "heyrelay.name" .) }}
  {{- $_ := set $config "heymarket" (dict "base_url" $url "allow_http" true) }}
  {{- if not .Values.config.teams }}
    {{- $secret := dict "id" "demo" "key_file" "/run/secrets/sandbox/key" }}
    {{- $_ := set $config "teams" (dict "sandbox" (dict "secrets" (list $secret))) }}
    {{- $_ := set $config "routes" (list (dict "inbox" 202 "creator_id" 55)) }}
  {{- end }}
{{- else if not (and .Values.config.teams .Values.config.routes) }}
  {{- fail "set config.teams and config.routes (README.md has an example), or try sandbox.enabled=true" }}
{{- end }}
{{- mustMergeOverwrite $config (deepCopy .Values.config) | toYaml }}
{{- end }}
