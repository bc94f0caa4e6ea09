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
	Online bool `help:"Also ask the API whether each team's credentials work, and whether creators are listed in their inboxes."`
}

// Run validates the configuration and says what to think about.
func (c checkCmd) Run(p *program) error {
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	warnings := append(cfg.Warnings(), untold(cfg)...)
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

// untold warns where senders do not hear of failures. It is no warning of the
// configuration's own, which would be logged at each start: it can be meant so.
func untold(cfg *config.Config) []string {
	if cfg.Bounces.Smarthost != "" {
		return nil
	}
	listeners := "the log and the lists (heyrelay queue list)"
	if cfg.Events.URL != "" {
		listeners = "the log, the lists (heyrelay queue list) and the webhook"
	}
	return []string{"failures are told to nobody but " + listeners + ", no sender hears of them; name a mail server that takes reports (bounces.smarthost)"}
}

// checkOnline asks each team's inboxes, the documented harmless call.
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
