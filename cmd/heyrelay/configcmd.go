package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"heyrelay/internal/config"
)

type configCmd struct {
	Show    configShowCmd    `cmd:"" help:"Print the effective configuration, with secrets masked."`
	Example configExampleCmd `cmd:"" help:"Print an example with every key."`
	Init    configInitCmd    `cmd:"" help:"Write a configuration to start from."`
	Schema  configSchemaCmd  `cmd:"" help:"Print the JSON Schema of the configuration, for editors."`
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

type configSchemaCmd struct{}

// Run prints docs/heyrelay.schema.json.
func (configSchemaCmd) Run(p *program) error {
	_, err := p.stdout.Write(config.Schema())
	return err
}

type configInitCmd struct {
	Out string `arg:"" optional:"" name:"file" type:"path" help:"The file to write, heyrelay.yaml by default."`
}

// Help says what the configuration needs.
func (configInitCmd) Help() string {
	return `The configuration has every key without a default, with its meaning. Enter your Secret ID, inbox and
creator_id. The Secret Key is read from the file heymarket_key in the same directory. Nothing is overwritten.`
}

// schemaFile is where the packages install the JSON Schema.
const schemaFile = "/usr/share/heyrelay/heyrelay.schema.json"

// Run writes the smallest configuration, with the JSON Schema beside it where no package
// has installed it. Nothing is overwritten.
func (c configInitCmd) Run(p *program) error {
	path := cmp.Or(c.Out, "heyrelay.yaml")
	schema := schemaFile
	if _, err := os.Stat(schemaFile); err != nil {
		schema = "heyrelay.schema.json"
	}
	if err := create(path, config.Start(schema)); err != nil {
		return err
	}
	if schema != schemaFile {
		err := create(filepath.Join(filepath.Dir(path), schema), config.Schema())
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	const next = "wrote %s; edit it, then run: heyrelay check -c %s --online\n"
	_, err := fmt.Fprintf(p.stdout, next, path, path)
	return err
}

// notCreated says what to do about a file that could not be created.
func notCreated(err error) error {
	return fmt.Errorf("%w; name a directory that exists, and that this user can write to", err)
}

// create writes a file that does not exist yet, readable by this user only.
func create(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; name another file, or remove this one", err)
	}
	if err != nil {
		return notCreated(err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
