package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/relay"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

type convertCmd struct {
	configured
	From    string   `placeholder:"ADDRESS" help:"The envelope sender. Default: the header's From."`
	Rcpt    []string `sep:"none" placeholder:"ADDRESS" help:"An envelope recipient, repeatable. Default: To and Cc."`
	User    string   `placeholder:"NAME" help:"The user that submits the message. Default: none."`
	Client  string   `default:"127.0.0.1" placeholder:"IP" help:"The client's IP address (${default})."`
	Message string   `arg:"" optional:"" default:"-" help:"The message: a file, or - for standard input."`
}

// Run prints what the message would become. It fails where it would be refused.
func (c convertCmd) Run(p *program) error {
	cfg, err := c.config(p)
	if err != nil {
		return err
	}
	raw, err := c.read(p)
	if err != nil {
		return err
	}
	env, err := c.envelope(raw, cfg)
	if err != nil {
		return err
	}
	e := relay.Explain(cfg, env, raw)
	out := newJSON(p.stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(e); err != nil {
		return err
	}
	if e.Refused != "" {
		return errQuiet
	}
	return nil
}

// config is the configuration, or one that shows the conversion where none is given.
func (c convertCmd) config(p *program) (*config.Config, error) {
	if c.file(p) != "" || p.inEnvironment() {
		return c.load(p, config.WithoutSecrets)
	}
	return config.Parse("convert", []byte(convertConfig), func(string) (string, bool) { return "unused", true })
}

const convertConfig = `
teams: {default: {api_key: "${KEY}"}}
routes: [{name: default, inbox: 1, creator_id: 1}]
`

// read reads the message and repairs its line endings as the SMTP server does.
func (c convertCmd) read(p *program) ([]byte, error) {
	var raw []byte
	var err error
	if c.Message == "-" {
		raw, err = io.ReadAll(p.stdin)
	} else {
		raw, err = os.ReadFile(c.Message)
	}
	return smtpd.RepairLineEndings(raw), err
}

// envelope is the given one, completed from the header as sendmail -t does.
func (c convertCmd) envelope(raw []byte, cfg *config.Config) (*smtpd.Envelope, error) {
	client, err := netip.ParseAddr(c.Client)
	if err != nil {
		return nil, coded{exitUsage, fmt.Errorf("--client %q is not an IP address", c.Client)}
	}
	env := &smtpd.Envelope{
		QueueID:  "convert",
		Client:   client,
		User:     c.User,
		Hello:    "localhost",
		From:     c.From,
		Rcpt:     c.Rcpt,
		UTF8:     true,
		Received: time.Now(),
	}
	h, err := mimeconv.ReadHeader(raw)
	if err != nil {
		return nil, err
	}
	if env.From == "" && len(h.From) > 0 {
		env.From = h.From[0].Addr
	}
	if len(env.Rcpt) == 0 {
		for _, a := range append(h.To, h.Cc...) {
			env.Rcpt = append(env.Rcpt, a.Addr)
		}
	}
	for _, r := range env.Rcpt {
		to, known := cfg.Recipient(r)
		if !known {
			continue // the relay refuses it
		}
		if err := smtpd.CheckAddress(to, true); err != nil {
			return nil, fmt.Errorf("%s: %w", r, err)
		}
	}
	if len(env.Rcpt) == 0 {
		return nil, errors.New("the header names no recipient; add --rcpt ADDRESS")
	}
	return env, nil
}
