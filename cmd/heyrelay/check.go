package main

import (
	"context"
	"fmt"
	"slices"

	"heyrelay/internal/config"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/relay"
)

type checkCmd struct {
	configured
	Online bool `help:"Also check each team's credentials, inboxes and creators with the API."`
}

// Run validates the configuration and prints warnings.
func (c checkCmd) Run(p *program) error {
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	warnings := append(cfg.Warnings(), unreported(cfg)...)
	if c.Online {
		more, err := checkOnline(p.ctx, cfg)
		if err != nil {
			return err
		}
		warnings = append(warnings, more...)
	}
	for _, w := range warnings {
		fmt.Fprintln(p.stdout, "warning: "+w)
	}
	_, err = fmt.Fprintf(p.stdout, "the configuration is valid: %d team(s), %d route(s), %d listener(s)\n", len(cfg.Teams), len(cfg.Routes), len(cfg.Listeners))
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

// checkOnline lists each team's inboxes, a call without side effects.
func checkOnline(ctx context.Context, cfg *config.Config) (warnings []string, err error) {
	for name := range cfg.Teams {
		inboxes, err := inboxesOf(ctx, cfg, name)
		if err != nil {
			return nil, err
		}
		for _, r := range cfg.Routes {
			if r.Team != name {
				continue
			}
			i := slices.IndexFunc(inboxes, func(b heymarket.Inbox) bool { return b.ID == r.Inbox })
			switch {
			case i < 0:
				warnings = append(warnings, fmt.Sprintf("route %s: team %s has no inbox %d; see heyrelay inboxes", r.Name, name, r.Inbox))
			case !slices.ContainsFunc(inboxes[i].Members, func(m heymarket.Member) bool { return m.ID == r.CreatorID }):
				warnings = append(warnings, fmt.Sprintf("route %s: creator_id %d is not listed as a member of inbox %d; the API may refuse it", r.Name, r.CreatorID, r.Inbox))
			}
		}
	}
	return warnings, nil
}

func inboxesOf(ctx context.Context, cfg *config.Config, team string) ([]heymarket.Inbox, error) {
	client, err := relay.Client(cfg, team, relay.Parts{UserAgent: "heyrelay/" + version()})
	if err != nil {
		return nil, err
	}
	inboxes, err := client.Inboxes(ctx)
	if err != nil {
		return nil, fmt.Errorf("team %s: %w", team, err)
	}
	return inboxes, nil
}
