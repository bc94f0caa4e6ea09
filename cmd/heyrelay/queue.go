package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"heyrelay/internal/spool"
)

type queueCmd struct {
	List    queueListCmd    `cmd:"" help:"List requests, newest first, and pending reports."`
	Show    queueShowCmd    `cmd:"" help:"Show one message: its requests, attempts and warnings."`
	Retry   queueRetryCmd   `cmd:"" help:"Requeue failed, dropped or held requests, and retry deferred ones now."`
	Drop    queueDropCmd    `cmd:"" help:"Drop pending requests."`
	Hold    queueHoldCmd    `cmd:"" help:"Hold a route, a team, all mail, or single requests."`
	Release queueReleaseCmd `cmd:"" help:"End holds of routes, teams or requests."`
	Forget  queueForgetCmd  `cmd:"" help:"Remove what is stored about a recipient."`
	Stats   queueStatsCmd   `cmd:"" help:"Count requests by route and state, and list holds and pauses."`
}

type queueListCmd struct {
	configured
	State     []string      `placeholder:"STATE" help:"Only requests in these states. ${state_help}"`
	Route     string        `placeholder:"NAME" help:"Only requests of this route."`
	Team      string        `placeholder:"NAME" help:"Only requests of this team."`
	Recipient string        `placeholder:"ADDRESS" help:"Only requests to this recipient."`
	MessageID string        `name:"message-id" placeholder:"ID" help:"Only requests of the message with this Message-ID."`
	LocalID   string        `name:"local-id" placeholder:"ID" help:"Only the request with this local_id."`
	ConvoID   int64         `name:"convo-id" placeholder:"N" help:"Only requests of the conversation with this convo_id."`
	Subject   string        `placeholder:"TEXT" help:"Only requests with this text in the subject, ignoring case."`
	OlderThan time.Duration `placeholder:"DURATION" help:"Only requests accepted longer ago than this, such as 15m."`
	NewerThan time.Duration `placeholder:"DURATION" help:"Only requests accepted within this time, such as 15m."`
	Limit     int           `default:"100" placeholder:"N" help:"List at most N requests and N reports (${default})."`
	JSON      bool          `name:"json" help:"Print JSON, one object per line."`
}

// stateHelp lists what --state takes.
const stateHelp = "States: queued, ready, deferred, active, held, sent, flagged, failed, dropped, shadowed; " +
	"waiting stands for the first five."

// Run lists what matches.
func (c queueListCmd) Run(p *program) error {
	states, err := spool.ParseStates(c.State)
	if err != nil {
		return err
	}
	f := c.filter(states)
	return c.read(p, func(r spool.Reader) error {
		entries, err := r.List(p.ctx, f)
		if err != nil {
			return err
		}
		var notices []spool.PendingNotice
		if c.wantsNotices() {
			notices, err = r.PendingNotices(p.ctx, f)
		}
		if err != nil {
			return err
		}
		return c.print(p, entries, notices)
	})
}

// filter returns what the list is restricted to.
func (c queueListCmd) filter(states []spool.State) spool.Filter {
	return spool.Filter{
		States:    states,
		Route:     c.Route,
		Team:      c.Team,
		Recipient: c.Recipient,
		MessageID: c.MessageID,
		LocalID:   c.LocalID,
		ConvoID:   c.ConvoID,
		Subject:   c.Subject,
		Before:    ago(c.OlderThan),
		Since:     ago(c.NewerThan),
		Limit:     c.Limit + 1, // to see whether there is more
	}
}

// wantsNotices reports whether pending reports belong in the list: they are pending, and have only
// a route and the end of a time in common with requests.
func (c queueListCmd) wantsNotices() bool {
	ofRequests := c.Team + c.Recipient + c.MessageID + c.LocalID + c.Subject
	if ofRequests != "" || c.ConvoID != 0 || c.NewerThan > 0 {
		return false
	}
	return len(c.State) == 0 || slices.Contains(c.State, spool.AllOpen)
}

func (c queueListCmd) print(p *program, entries []spool.Entry, notices []spool.PendingNotice) error {
	more := len(entries) > c.Limit || len(notices) > c.Limit
	entries = entries[:min(len(entries), c.Limit)]
	notices = notices[:min(len(notices), c.Limit)]
	var err error
	if c.JSON {
		err = errors.Join(printLines(p, entries), printLines(p, notices))
	} else {
		err = errors.Join(printEntries(p, entries), printNotices(p, notices))
	}
	if more {
		printMore(p, c.Limit)
	}
	return err
}

// printMore says that a list was cut.
func printMore(p *program, limit int) {
	fmt.Fprintf(p.stderr, "heyrelay: the list ends at --limit %d; there is more\n", limit)
}

// printLines prints JSON, one object per line.
func printLines[T any](p *program, list []T) error {
	out := newJSON(p.stdout)
	for _, e := range list {
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
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", e.QueueID, stateOf(e), when(e.Accepted), e.Route,
			e.Attempts, e.ConvoID, printable(addressesOf(e)), printable(e.Title), printable(e.Reason))
	}
	return w.Flush()
}

// stateOf is the state of an entry, for people.
func stateOf(e spool.Entry) string {
	if e.Unknown {
		return e.State + ", outcome unknown"
	}
	return e.State
}

func printNotices(p *program, notices []spool.PendingNotice) error {
	if len(notices) == 0 {
		return nil
	}
	fmt.Fprintln(p.stdout, "\nPending reports and events:")
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "QUEUE ID\tKIND\tHAPPENED\tROUTE\tTRIES\tNEXT TRY\tTO")
	for _, n := range notices {
		to := cmp.Or(printable(n.Sender), "-")
		if n.Notice == "event" {
			to = "webhook"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", cmp.Or(n.QueueID, "-"), n.Notice+" "+printable(n.Kind),
			when(n.Happened), cmp.Or(n.Route, "-"), n.Tries, when(n.Due), to)
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
