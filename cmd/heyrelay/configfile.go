package main

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"heyrelay/internal/config"
)

// systemConfig is the configuration file of a machine that names no other.
const systemConfig = "/etc/heyrelay/heyrelay.yaml"

// configured is the flag that most subcommands share.
type configured struct {
	File string `name:"config" short:"c" type:"path" placeholder:"FILE" help:"${config_help}"`
}

const configHelp = "The configuration file. Default: HEYRELAY_CONFIG, or " + systemConfig +
	" if it exists, otherwise the other HEYRELAY_… variables."

// load reads the configuration from a file or from the environment.
func (c configured) load(p *program, options ...config.Option) (*config.Config, error) {
	if file := c.file(p); file != "" {
		return config.Load(file, options...)
	}
	return config.FromEnvironment(p.environ, options...)
}

// spoolURL returns spool.url, also if other values have problems.
func (c configured) spoolURL(p *program) (string, error) {
	if file := c.file(p); file != "" {
		return config.LoadSpoolURL(file)
	}
	cfg, err := config.FromEnvironment(p.environ, config.WithoutSecrets)
	if err != nil {
		return "", err
	}
	return cfg.Spool.URL, nil
}

// file returns the configuration file, "" if there is none.
func (c configured) file(p *program) string {
	if named := cmp.Or(c.File, p.configFile, p.variable("HEYRELAY_CONFIG")); named != "" {
		return named
	}
	if _, err := os.Stat(p.systemConfig); err != nil {
		return ""
	}
	return p.systemConfig
}

// variable returns the value of an environment variable, "" if it is not set.
func (p *program) variable(name string) string {
	for _, entry := range p.environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// inEnvironment reports whether variables configure anything.
func (p *program) inEnvironment() bool {
	return slices.ContainsFunc(p.environ, func(e string) bool { return strings.HasPrefix(e, "HEYRELAY_") })
}
