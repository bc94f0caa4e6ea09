package main

import (
	"fmt"

	"heyrelay/internal/config"
)

type checkCmd struct {
	configured
	Online bool `help:"Also check credentials, inboxes and creators with the API, the blob store, and mail servers."`
}

// Run validates the configuration and prints warnings. What serve would refuse, it
// refuses.
func (c checkCmd) Run(p *program) error {
	var options []config.Option
	if !c.Online {
		options = append(options, config.WithoutCredentials)
	}
	cfg, err := c.load(p, options...)
	if err != nil {
		return err
	}
	if err := checkStore(cfg); err != nil {
		return coded{exitConfig, err}
	}
	if err := checkBlobs(cfg); err != nil {
		return coded{exitConfig, err}
	}
	if _, err := p.tracesWanted(); err != nil {
		return err
	}
	for _, w := range append(cfg.Warnings(), unreported(cfg)...) {
		fmt.Fprintln(p.stdout, "warning: "+w)
	}
	if c.Online {
		if err := checkOnline(p, cfg); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(p.stdout, "the configuration is valid: %d team(s), %d route(s), %d listener(s)\n",
		len(cfg.Teams), len(cfg.Routes), len(cfg.Listeners))
	return err
}

// unreported warns if senders are not notified of failures. The configuration itself
// does not warn of it, at each start, because it may be intended.
func unreported(cfg *config.Config) []string {
	if cfg.Bounces.Smarthost != "" {
		return nil
	}
	where := "in the log and in heyrelay queue list"
	if cfg.Events.URL != "" {
		where = "in the log, in heyrelay queue list and at the webhook"
	}
	return []string{"senders are not notified of failures, which appear only " + where +
		"; to notify them, set " + cfg.Key("bounces.smarthost") + " to a mail server that accepts reports"}
}
