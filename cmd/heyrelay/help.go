package main

import "heyrelay/internal/config"

type helpCmd struct {
	Command []string `arg:"" optional:"" help:"The command to describe."`
}

// Run prints the help of a command, as --help does.
func (c helpCmd) Run(p *program) error {
	if code := p.run(append(c.Command, "--help")); code != exitOK {
		return coded{code, errQuiet}
	}
	return nil
}

// configurable is a command that reads the configuration.
type configurable interface {
	load(*program, ...config.Option) (*config.Config, error)
}
