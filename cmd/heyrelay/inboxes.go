package main

import (
	"cmp"
	"errors"
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
	SecretID      string `placeholder:"ID" help:"The Secret ID, if there is no configuration yet."`
	SecretKeyFile string `type:"path" placeholder:"FILE" help:"File with the Secret Key."`
	BaseURL       string `name:"base-url" placeholder:"URL" help:"URL of another API, such as the sandbox."`
	AllowHTTP     bool   `name:"allow-http" help:"Allow a base URL with http to any host, for a sandbox."`
}

// Validate implements kong's interface: a flag that has no effect is a mistake.
func (c inboxesCmd) Validate() error {
	given := c.SecretID != ""
	switch {
	case !given && (c.SecretKeyFile != "" || c.BaseURL != "" || c.AllowHTTP):
		return errors.New("--secret-key-file, --base-url and --allow-http need --secret-id; " +
			"without it, the configuration names the API")
	case given && c.SecretKeyFile == "":
		return errors.New("--secret-id needs --secret-key-file")
	}
	return nil
}

// Run lists the inboxes of every team, and prints a route to one of them, or with --secret-id a
// whole configuration.
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

// teams returns the configuration, or a minimal one for the given secret.
func (c inboxesCmd) teams(p *program) (*config.Config, error) {
	switch {
	case c.SecretID == "":
		return c.load(p)
	case cmp.Or(c.File, p.configFile) != "":
		return nil, coded{exitUsage, errors.New("--secret-id cannot be combined with -c, which names its own secrets")}
	}
	return config.FromFlags(config.Account{
		SecretID:      c.SecretID,
		SecretKeyFile: c.SecretKeyFile,
		BaseURL:       c.BaseURL,
		AllowHTTP:     c.AllowHTTP,
	})
}

func (c inboxesCmd) list(p *program, cfg *config.Config, team string) error {
	client, err := relay.Client(cfg, team, relay.Parts{UserAgent: "heyrelay/" + version()})
	if err != nil {
		return err
	}
	inboxes, err := client.Inboxes(p.ctx)
	if err != nil {
		return c.explained(cfg, team, err)
	}
	names, err := memberNames(p, client)
	if err != nil {
		fmt.Fprintf(p.stderr, "warning: cannot read the names of the members: %s\n", printable(err.Error()))
	}
	for _, b := range inboxes {
		var members []string
		for _, m := range b.Members {
			name := printable(cmp.Or(m.Name, names[m.ID]))
			members = append(members, strings.TrimSpace(fmt.Sprintf("%d %s", m.ID, name)))
		}
		fmt.Fprintf(p.stdout, "%-8d %-24s members: %s\n", b.ID, printable(b.Name), strings.Join(members, ", "))
	}
	for _, b := range inboxes {
		if len(b.Members) > 0 {
			_, err := fmt.Fprintf(p.stdout, "\n%sroutes:\n  - {inbox: %d, creator_id: %d}\n", c.start(), b.ID, b.Members[0].ID)
			return err
		}
	}
	return nil
}

// explained says what to check where the API does not list the inboxes.
func (c inboxesCmd) explained(cfg *config.Config, team string, err error) error {
	check := cfg.Key("heymarket.base_url") + " and the network"
	if c.SecretID != "" {
		if isRefusal(err) {
			check = "--secret-id and the key in --secret-key-file"
		}
		return fmt.Errorf("%w; check %s", err, check)
	}
	if isRefusal(err) {
		check = "its credentials"
	}
	return fmt.Errorf("team %s: %w; check %s", team, err, check)
}

// start is the beginning of a configuration with the given secret; "" if there is one already.
func (c inboxesCmd) start() string {
	if c.SecretID == "" {
		return ""
	}
	text := "A configuration for heyrelay.yaml:\n\n"
	if c.BaseURL != "" {
		text += fmt.Sprintf("heymarket:\n  base_url: %q\n", c.BaseURL)
		if c.AllowHTTP {
			text += "  allow_http: true\n"
		}
	}
	return text + fmt.Sprintf("teams:\n  shop:\n    secrets: [{id: %q, key_file: %q}]\n", c.SecretID, c.SecretKeyFile)
}

// memberNames returns the names of the team's members, for inboxes that list only
// ids.
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
