package config

import (
	"slices"
	"strings"

	"heyrelay/internal/strictyaml"
)

// prefix begins the name of each of heyrelay's variables.
const prefix = "HEYRELAY_"

// variables lists what can be configured without a file: one listener, one team with
// one secret, and one route. HEYRELAY_CONFIG is not among them: it names a file.
func variables() []strictyaml.Variable {
	return []strictyaml.Variable{
		{Name: "INBOX", Path: "routes[0].inbox"},
		{Name: "CREATOR_ID", Path: "routes[0].creator_id"},
		{Name: "SECRET_ID", Path: "teams.main.secrets[0].id"},
		{Name: "SECRET_KEY_FILE", Path: "teams.main.secrets[0].key_file"},
		{Name: "SECRET_KEY", Path: "teams.main.secrets[0].key"},
		{Name: "API_KEY_FILE", Path: "teams.main.api_key_file"},
		{Name: "RATE", Path: "teams.main.rate"},
		{Name: "LISTEN", Path: "listeners[0].address"},
		{Name: "ALLOW", Path: "listeners[0].allow"},
		{Name: "TLS", Path: "listeners[0].tls"},
		{Name: "TLS_CERTIFICATE", Path: "tls.certificate"},
		{Name: "TLS_KEY", Path: "tls.key"},
		{Name: "USERS_FILE", Path: "users_file"},
		{Name: "HOSTNAME", Path: "hostname"},
		{Name: "ATTACHMENTS", Path: "routes[0].attachments"},
		{Name: "INLINE_IMAGES", Path: "routes[0].inline_images"},
		{Name: "SMARTHOST", Path: "routes[0].smarthost.next"},
		{Name: "SMARTHOST_USER", Path: "routes[0].smarthost.user"},
		{Name: "SMARTHOST_PASSWORD_FILE", Path: "routes[0].smarthost.password_file"},
		{Name: "TRUST_HEADERS", Path: "routes[0].trust_headers"},
		{Name: "ANSWER_AFTER", Path: "routes[0].answer_after"},
		{Name: "SHADOW_NEXT", Path: "routes[0].shadow.next"},
		{Name: "SPOOL", Path: "spool.url"},
		{Name: "SPOOL_MIN_FREE", Path: "spool.min_free"},
		{Name: "BLOBS", Path: "blobs.url"},
		{Name: "BLOBS_ACCESS_KEY_ID", Path: "blobs.access_key_id"},
		{Name: "BLOBS_SECRET_ACCESS_KEY_FILE", Path: "blobs.secret_access_key_file"},
		{Name: "BLOBS_LISTEN", Path: "blobs.listen"},
		{Name: "BLOBS_PUBLIC_URL", Path: "blobs.public_url"},
		{Name: "BLOBS_PROXIES", Path: "blobs.proxies"},
		{Name: "BLOBS_EXPIRE", Path: "blobs.expire"},
		{Name: "BLOBS_REFUSE", Path: "blobs.refuse"},
		{Name: "BOUNCES_SMARTHOST", Path: "bounces.smarthost"},
		{Name: "BOUNCES_USER", Path: "bounces.user"},
		{Name: "BOUNCES_PASSWORD_FILE", Path: "bounces.password_file"},
		{Name: "BOUNCES_FROM", Path: "bounces.from"},
		{Name: "EVENTS_URL", Path: "events.url"},
		{Name: "EVENTS_SECRET_FILE", Path: "events.secret_file"},
		{Name: "BASE_URL", Path: "heymarket.base_url"},
		{Name: "ALLOW_HTTP", Path: "heymarket.allow_http"},
		{Name: "METRICS", Path: "metrics.address"},
		{Name: "CONSOLE", Path: "console.address"},
		{Name: "CONSOLE_HOSTS", Path: "console.hosts"},
		{Name: "CONSOLE_TOKEN_FILE", Path: "console.tokens[0].token_file"},
		{Name: "LOG_FORMAT", Path: "log.format"},
		{Name: "LOG_LEVEL", Path: "log.level"},
		{Name: "SHUTDOWN_TIMEOUT", Path: "shutdown_timeout"},
	}
}

// Variables lists the environment variables that configure heyrelay without a file, and
// the keys that they stand for.
func Variables() []strictyaml.Variable {
	all := variables()
	for i := range all {
		all[i].Name = prefix + all[i].Name
	}
	return all
}

// start is the advice for somebody who has configured nothing yet.
const start = "set " + prefix + "INBOX, " + prefix + "CREATOR_ID, " + prefix + "SECRET_ID and " + prefix +
	"SECRET_KEY_FILE, or name a configuration file with -c (heyrelay config init writes one); " +
	"heyrelay demo needs neither"

// FromEnvironment reads a configuration without a file from environ, "NAME=value"
// strings as [os.Environ] returns them. An empty variable counts as not set; a list
// is separated by commas or spaces. Relative file names start in the working
// directory. The error is of type [strictyaml.Errors].
func FromEnvironment(environ []string, options ...Option) (*Config, error) {
	required := []string{"routes[0]"}
	apiKey := func(entry string) bool {
		value, ok := strings.CutPrefix(entry, prefix+"API_KEY_FILE=")
		return ok && value != ""
	}
	if !slices.ContainsFunc(environ, apiKey) {
		required = append(required, "teams.main.secrets[0]")
	}
	l := loader{doc: strictyaml.FromVariables(prefix, variables(), environ, required, start)}
	return l.load(options)
}

// warnIgnored warns of variables that are set although a file is read: the two are
// not combined.
func (l *loader) warnIgnored(file string, data []byte, env func(string) (string, bool)) {
	for _, v := range variables() {
		name := prefix + v.Name
		value, _ := env(name)
		if value != "" && !strings.Contains(string(data), "${"+name+"}") {
			l.doc.WarnOf(name, "is set, but "+file+" is read instead", "write "+v.Path+" there, and unset the variable")
		}
	}
}
