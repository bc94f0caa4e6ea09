package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"heyrelay/internal/spool"
)

type queueCmd struct {
	List    queueListCmd    `cmd:"" help:"List requests, newest first."`
	Show    queueShowCmd    `cmd:"" help:"Tell the whole story of one message."`
	Retry   queueRetryCmd   `cmd:"" help:"Queue again what failed, was dropped or is held; have what sleeps tried now."`
	Drop    queueDropCmd    `cmd:"" help:"Give up what waits."`
	Hold    queueHoldCmd    `cmd:"" help:"Keep what waits from being sent."`
	Release queueReleaseCmd `cmd:"" help:"Let go what was held."`
	Forget  queueForgetCmd  `cmd:"" help:"Remove what is known of a recipient."`
	Stats   queueStatsCmd   `cmd:"" help:"Count requests by route and state, and tell what is held."`
}

type queueListCmd struct {
	configured
	State     []string      `placeholder:"STATE" help:"Only these: queued, ready, deferred, active, held, sent, flagged, failed, dropped, or waiting for the first five."`
	Route     string        `placeholder:"NAME" help:"Only of this route."`
	Recipient string        `placeholder:"ADDRESS" help:"Only to this address."`
	OlderThan time.Duration `placeholder:"DURATION" help:"Only what was accepted longer ago, such as 15m."`
	Limit     int           `default:"100" placeholder:"N" help:"At most so many (${default})."`
	JSON      bool          `name:"json" help:"As JSON, one object a line."`
}

// Run lists what matches.
func (c queueListCmd) Run(p *program) error {
	states, err := parseStates(c.State)
	if err != nil {
		return err
	}
	f := spool.Filter{States: states, Route: c.Route, Recipient: c.Recipient, Limit: c.Limit}
	if c.OlderThan > 0 {
		f.Before = time.Now().Add(-c.OlderThan)
	}
	return c.read(p, func(r spool.Reader) error {
		entries, err := r.List(p.ctx, f)
		if err != nil {
			return err
		}
		if c.JSON {
			return printLines(p, entries)
		}
		return printEntries(p, entries)
	})
}

// parseStates reads names of states; waiting stands for all open ones.
func parseStates(names []string) (states []spool.State, err error) {
	for _, n := range names {
		if n == "waiting" {
			states = append(states, spool.Queued, spool.Ready, spool.Deferred, spool.Active, spool.Held)
			continue
		}
		s, err := spool.ParseState(n)
		if err != nil {
			return nil, err
		}
		states = append(states, s)
	}
	return states, nil
}

func printLines(p *program, entries []spool.Entry) error {
	out := json.NewEncoder(p.stdout)
	for _, e := range entries {
		if err := out.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

func printEntries(p *program, entries []spool.Entry) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "QUEUE ID\tSTATE\tACCEPTED\tROUTE\tTRIES\tCONVO\tTO\tTITLE\tREASON")
	for _, e := range entries {
		state := e.State
		if e.Unknown {
			state += ", outcome unknown"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", e.QueueID, state, e.Accepted.Local().Format(time.DateTime),
			e.Route, e.Attempts, e.ConvoID, addressesOf(e), e.Title, e.Reason)
	}
	return w.Flush()
}

// addressesOf lists the recipients of an entry: "a@example.com, b@example.com, cc c@example.com".
func addressesOf(e spool.Entry) string {
	all := slices.Clone(e.To)
	for _, a := range e.Cc {
		all = append(all, "cc "+a)
	}
	return strings.Join(all, ", ")
}

type queueShowCmd struct {
	configured
	QueueID string `arg:"" name:"queue-id" help:"As in the 250 reply and in the log."`
}

// Run prints one message's story as JSON.
func (c queueShowCmd) Run(p *program) error {
	return c.read(p, func(r spool.Reader) error {
		story, err := r.Show(p.ctx, c.QueueID)
		if errors.Is(err, spool.ErrNotFound) {
			return fmt.Errorf("no message %s in the spool: it is not of this spool, or it was removed after its time", c.QueueID)
		}
		if err != nil {
			return err
		}
		out := json.NewEncoder(p.stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(struct {
			spool.MessageDetail
			Warnings json.RawMessage `json:"warnings,omitempty"`
		}{story, story.Warnings})
	})
}
