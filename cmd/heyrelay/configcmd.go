package main

import "heyrelay/internal/config"

type configCmd struct {
	Show    configShowCmd    `cmd:"" help:"Print the configuration in force, secrets masked."`
	Example configExampleCmd `cmd:"" help:"Print an example with every key."`
}

type configShowCmd struct {
	configured
	Changed bool `help:"Omit defaults, except those that depend on the machine."`
}

// Run prints the masked configuration.
func (c configShowCmd) Run(p *program) error {
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	text := cfg.Masked()
	if c.Changed {
		text = cfg.Changed()
	}
	_, err = p.stdout.Write(text)
	return err
}

type configExampleCmd struct{}

// Run prints config.example.yaml.
func (configExampleCmd) Run(p *program) error {
	_, err := p.stdout.Write(config.Example())
	return err
}
