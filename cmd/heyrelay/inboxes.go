package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heyrelay/internal/config"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/relay"
)

type inboxesCmd struct {
	configured
	SecretID      string `placeholder:"ID" help:"The secret's id, where there is no configuration yet."`
	SecretKeyFile string `type:"path" placeholder:"FILE" help:"The file that holds the secret's key."`
	BaseURL       string `name:"base-url" placeholder:"URL" help:"Another API than Heymarket's, such as the sandbox."`
}

// Run lists the inboxes of every team, and what a route to each looks like.
func (c inboxesCmd) Run(p *program) error {
	cfg, err := c.teams(p)
	if err != nil {
		return err
	}
	for _, team := range slices.Sorted(maps.Keys(cfg.Teams)) {
		if err := c.list(p, cfg, team); err != nil {
			return err
		}
	}
	return nil
}

// teams is the configuration, or as much of one as a secret makes.
func (c inboxesCmd) teams(p *program) (*config.Config, error) {
	if c.SecretID == "" {
		return c.load(p)
	}
	base := cmp.Or(c.BaseURL, "https://api.heymarket.com")
	text := fmt.Sprintf("{heymarket: {base_url: %q}, teams: {new: {secrets: [{id: %q, key_file: %q}]}}, routes: [{inbox: 1, creator_id: 1}]}", base, c.SecretID, c.SecretKeyFile)
	return config.Parse("command line", []byte(text), nothing)
}

func (c inboxesCmd) list(p *program, cfg *config.Config, team string) error {
	client, err := relay.Client(cfg, team, relay.Parts{UserAgent: "heyrelay/" + version()})
	if err != nil {
		return err
	}
	inboxes, err := client.Inboxes(p.ctx)
	if err != nil {
		return fmt.Errorf("team %s: %w", team, err)
	}
	names, err := memberNames(p, client)
	if err != nil {
		fmt.Fprintf(p.stderr, "names of members that the inboxes do not tell could not be read: %v\n", err)
	}
	for _, b := range inboxes {
		var members []string
		for _, m := range b.Members {
			members = append(members, strings.TrimSpace(fmt.Sprintf("%d %s", m.ID, cmp.Or(m.Name, names[m.ID]))))
		}
		fmt.Fprintf(p.stdout, "%-8d %-24s members: %s\n", b.ID, b.Name, strings.Join(members, ", "))
	}
	for _, b := range inboxes {
		if len(b.Members) > 0 {
			_, err := fmt.Fprintf(p.stdout, "\nroutes:\n  - {inbox: %d, creator_id: %d}\n", b.ID, b.Members[0].ID)
			return err
		}
	}
	return nil
}

// memberNames are the names of the team's members, for inboxes that tell ids only.
func memberNames(p *program, client *heymarket.Client) (map[int64]string, error) {
	team, err := client.Team(p.ctx)
	if err != nil {
		return nil, err
	}
	names := map[int64]string{}
	for _, m := range team.Members {
		names[m.ID] = m.Name
	}
	return names, nil
}
