package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help shows how to use the scripts.
func (completionCmd) Help() string {
	return `Add this line to the startup file of the shell:

    bash: source <(heyrelay completion bash)
    zsh:  source <(heyrelay completion zsh)
    fish: heyrelay completion fish | source`
}

// Run prints a completion script made from the command tree.
func (c completionCmd) Run(p *program, ctx *kong.Context) error {
	return writeCompletion(p.stdout, c.Shell, ctx.Model.Node)
}

// place is a position on the command line: behind the program, or a command.
type place struct {
	Path  string // "queue list"; empty behind the program
	Words []word
}

// word is what can stand at a place.
type word struct {
	Name  string // command; empty for a flag
	Long  string // flag without dashes
	Short string
	Value bool // the flag has a value
	Help  string
}

// Spellings returns the forms in which a word is typed.
func (w word) Spellings() (all []string) {
	if w.Name != "" {
		return []string{w.Name}
	}
	if w.Short != "" {
		all = append(all, "-"+w.Short)
	}
	return append(all, "--"+w.Long)
}

// placesOf lists the places of a command tree, depth first.
func placesOf(node *kong.Node, path string) []place {
	here := place{Path: path}
	var below []place
	for _, child := range visible(node) {
		here.Words = append(here.Words, word{Name: child.Name, Help: summary(child.Help)})
		below = append(below, placesOf(child, strings.TrimSpace(path+" "+child.Name))...)
	}
	for _, f := range node.Flags {
		if f.Hidden && f.Name != "config" {
			continue
		}
		w := word{Long: f.Name, Value: !f.IsBool(), Help: summary(f.Help)}
		if f.Short != 0 {
			w.Short = string(f.Short)
		}
		here.Words = append(here.Words, w)
	}
	return append([]place{here}, below...)
}

// summary is the first sentence of a help text.
func summary(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(first, ".")
}

// filesOf returns the spellings of flags whose value is a file or directory.
func filesOf(node *kong.Node) (flags []string) {
	for _, f := range node.Flags {
		if f.Tag != nil && f.Tag.Type == "path" {
			flags = append(flags, "--"+f.Name)
			if f.Short != 0 {
				flags = append(flags, "-"+string(f.Short))
			}
		}
	}
	for _, child := range node.Children {
		flags = append(flags, filesOf(child)...)
	}
	slices.Sort(flags)
	return slices.Compact(flags)
}

func writeCompletion(out io.Writer, shell string, root *kong.Node) error {
	t, err := template.New(shell).Funcs(template.FuncMap{
		"quote": func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" },
		"join":  strings.Join,
		"colon": func(s string) string { return strings.ReplaceAll(s, ":", `\:`) },
	}).Parse(scripts[shell])
	if err != nil {
		return err
	}
	places := placesOf(root, "")
	var steps []string // from one place to the next
	for _, p := range places[1:] {
		before, last := "", p.Path
		if i := strings.LastIndexByte(p.Path, ' '); i >= 0 {
			before, last = p.Path[:i], p.Path[i+1:]
		}
		steps = append(steps, fmt.Sprintf("'%s %s'", before, last))
	}
	return t.Execute(out, map[string]any{
		"Places": places,
		"Steps":  steps,
		"Files":  filesOf(root),
		"Name":   cmp.Or(root.Name, "heyrelay"),
	})
}

// scripts are the templates of the shells' scripts.
var scripts = map[string]string{
	"bash": `# bash completion for heyrelay
_heyrelay() {
	local cur=${COMP_WORDS[COMP_CWORD]} at='' word words=''
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case "$at $word" in
		{{join .Steps "|"}}) at="${at:+$at }$word" ;;
		esac
	done
	case ${COMP_WORDS[COMP_CWORD-1]} in
	{{join .Files "|"}}) return ;;
	esac
	case $at in
	{{- range .Places}}
	{{quote .Path}}) words='{{range .Words}}{{range .Spellings}} {{.}}{{end}}{{end}}' ;;
	{{- end}}
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _heyrelay {{.Name}}
`,
	"zsh": `#compdef {{.Name}}
_heyrelay() {
	local at='' word
	local -a choices
	for word in "${(@)words[2,CURRENT-1]}"; do
		case "$at $word" in
		({{join .Steps "|"}}) at="${at:+$at }$word" ;;
		esac
	done
	case "$words[CURRENT-1]" in
	({{join .Files "|"}}) _files; return ;;
	esac
	case "$at" in
	{{- range .Places}}
	({{quote .Path}}) choices=({{range .Words}}{{$help := .Help}}{{range .Spellings}}
		{{quote (printf "%s:%s" (colon .) $help)}}{{end}}{{end}}) ;;
	{{- end}}
	esac
	_describe {{.Name}} choices || _files
}
# Found by compinit, this file is the function itself; sourced, it registers it.
if [[ $funcstack[1] == _heyrelay ]]; then
	_heyrelay
else
	compdef _heyrelay {{.Name}}
fi
`,
	"fish": `# fish completion for heyrelay
function __heyrelay_at
	set -l at ''
	for word in (commandline -opc)[2..]
		switch "$at $word"
			case {{join .Steps " "}}
				set at (string trim "$at $word")
		end
	end
	test "$at" = "$argv"
end
{{- range .Places}}{{$at := .Path}}
{{- range .Words}}
complete -c {{$.Name}} -n '__heyrelay_at {{$at}}'
{{- if .Name}} -f -a {{.Name}}
{{- else}} -l {{.Long}}{{with .Short}} -s {{.}}{{end}}{{if .Value}} -r{{end}}
{{- end}} -d {{quote .Help}}
{{- end}}{{end}}
`,
}
