package config

import (
	"slices"
	"strings"

	"heyrelay/internal/strictyaml"
)

// prefix begins the name of each of heyrelay's variables.
const prefix = "HEYRELAY_"

// variables lists what can be configured without a file: one listener, one team with
// one secret, and one route.
func variables() []strictyaml.Variable {
	return []strictyaml.Variable{
		{Name: "INBOX", Path: "routes[0].inbox"},
		{Name: "CREATOR_ID", Path: "routes[0].creator_id"},
		{Name: "SECRET_ID", Path: "teams.main.secrets[0].id"},
		{Name: "SECRET_KEY_FILE", Path: "teams.main.secrets[0].key_file"},
		{Name: "API_KEY_FILE", Path: "teams.main.api_key_file"},
		{Name: "LISTEN", Path: "listeners[0].address"},
		{Name: "ALLOW", Path: "listeners[0].allow"},
		{Name: "SPOOL", Path: "spool.url"},
		{Name: "HOSTNAME", Path: "hostname"},
		{Name: "ATTACHMENTS", Path: "routes[0].attachments"},
		{Name: "BASE_URL", Path: "heymarket.base_url"},
		{Name: "ALLOW_HTTP", Path: "heymarket.allow_http"},
	}
}

// FromEnvironment reads a configuration without a file from environ, "NAME=value"
// strings as [os.Environ] returns them. An empty variable counts as not set; a list
// is separated by commas or spaces. Relative file names start in the working
// directory. The error is of type [strictyaml.Errors].
func FromEnvironment(environ []string) (*Config, error) {
	required := []string{"routes[0]"}
	apiKey := func(entry string) bool {
		value, ok := strings.CutPrefix(entry, prefix+"API_KEY_FILE=")
		return ok && value != ""
	}
	if !slices.ContainsFunc(environ, apiKey) {
		required = append(required, "teams.main.secrets[0]")
	}
	l := loader{doc: strictyaml.FromVariables(prefix, variables(), environ, required)}
	return l.load()
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
