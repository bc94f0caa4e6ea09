package config

import (
	"strconv"

	"heyrelay/internal/strictyaml"
)

// Account is an API secret that was given on the command line, before there is a configuration.
type Account struct {
	SecretID      string
	SecretKeyFile string // a relative name starts in the working directory
	BaseURL       string // "" for Heymarket's API
	AllowHTTP     bool   // to any host
}

// FromFlags returns a configuration with one team, named as in the smallest configuration, for a
// command that only asks the API: nothing is sent by its route. Problems name the flags. The error
// is of type [strictyaml.Errors].
func FromFlags(a Account) (*Config, error) {
	known := []strictyaml.Variable{
		{Name: "secret-id", Path: "teams.shop.secrets[0].id"},
		{Name: "secret-key-file", Path: "teams.shop.secrets[0].key_file"},
		{Name: "base-url", Path: "heymarket.base_url"},
		{Name: "allow-http", Path: "heymarket.allow_http"},
		{Name: "inbox", Path: "routes[0].inbox"},
		{Name: "creator-id", Path: "routes[0].creator_id"},
	}
	given := []string{
		"--secret-id=" + a.SecretID,
		"--secret-key-file=" + a.SecretKeyFile,
		"--base-url=" + a.BaseURL,
		"--allow-http=" + strconv.FormatBool(a.AllowHTTP),
		"--inbox=1",
		"--creator-id=1",
	}
	l := loader{doc: strictyaml.FromVariables("--", known, given, nil, "")}
	return l.load(nil)
}
