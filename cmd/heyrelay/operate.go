package main

import (
	"cmp"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
)

// selection is which requests an operator means: messages by queue id, or a filter.
type selection struct {
	configured
	QueueIDs  []string      `arg:"" optional:"" name:"queue-id" help:"Messages, as in the 250 reply and in the log."`
	State     []string      `placeholder:"STATE" help:"Only in these states."`
	Recipient string        `placeholder:"ADDRESS" help:"Only to this address."`
	OlderThan time.Duration `placeholder:"DURATION" help:"Only what was accepted longer ago, such as 15m."`
	All       bool          `help:"All there are."`
}

// chosen is a selection that may be one of a route.
type chosen struct {
	selection `embed:""`
	Route     string `placeholder:"NAME" help:"Only of this route."`
}

// filter makes sure that somebody who forgot to choose does not mean everything.
func (c selection) filter(route string) (spool.Filter, error) {
	if len(c.QueueIDs) == 0 && c.State == nil && route == "" && c.Recipient == "" && c.OlderThan == 0 && !c.All {
		return spool.Filter{}, errors.New("name queue ids or a filter, or say --all")
	}
	states, err := parseStates(c.State)
	f := spool.Filter{QueueIDs: c.QueueIDs, States: states, Route: route, Recipient: c.Recipient}
	if c.OlderThan > 0 {
		f.Before = time.Now().Add(-c.OlderThan)
	}
	return f, err
}

// operate changes the spool that the configuration names, beside a serving
// process, and says how much was changed.
func (c selection) operate(p *program, route, done string, do func(*config.Config, spool.Operator, spool.Filter) (spool.Moved, error)) (err error) {
	f, err := c.filter(route)
	if err != nil {
		return err
	}
	op, cfg, err := c.operator(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, op.Close()) }()
	m, err := do(cfg, op, f)
	if err != nil {
		return err
	}
	return tellMoved(p, done, m)
}

func tellMoved(p *program, done string, m spool.Moved) error {
	fmt.Fprintf(p.stdout, "%d %s\n", m.Requests, done)
	if m.MaybeSent > 0 {
		fmt.Fprintf(p.stdout, "%d of them may have been sent: an attempt has no definite answer\n", m.MaybeSent)
	}
	if m.Busy > 0 {
		fmt.Fprintf(p.stdout, "%d left alone: a call is under way, try again\n", m.Busy)
	}
	if m.Requests == 0 && m.Busy == 0 {
		fmt.Fprintln(p.stderr, "heyrelay: nothing matches; see heyrelay queue list")
		return errQuiet
	}
	return nil
}

type queueRetryCmd struct {
	selection `embed:""`
	FromRoute string `placeholder:"NAME" help:"Only of this route."`
	Anew      bool   `help:"Under a new local_id. The API then takes it for another message: what was sent after all is sent twice."`
	Route     string `placeholder:"NAME" help:"By this route, whichever it came by. It goes to the team and inbox that the route has now."`
}

// Run queues again what failed, was dropped or is held, and has what sleeps tried now.
func (c queueRetryCmd) Run(p *program) error {
	return c.operate(p, c.FromRoute, "queued again", func(cfg *config.Config, op spool.Operator, f spool.Filter) (spool.Moved, error) {
		o := spool.RetryOptions{Anew: c.Anew, NewLocalID: uuid.NewString}
		if c.Route != "" {
			r, err := routeByName(cfg, c.Route)
			if err != nil {
				return spool.Moved{}, err
			}
			o.Route, o.Team, o.Inbox = r.Name, r.Team, r.Inbox
		}
		return op.Retry(p.ctx, time.Now(), f, o)
	})
}

func routeByName(cfg *config.Config, name string) (config.Route, error) {
	for _, r := range cfg.Routes {
		if r.Name == name {
			return r, nil
		}
	}
	return config.Route{}, fmt.Errorf("the configuration has no route %q", name)
}

type queueDropCmd struct {
	chosen `embed:""`
}

// Run gives up what waits.
func (c queueDropCmd) Run(p *program) error {
	return c.operate(p, c.Route, "dropped", func(_ *config.Config, op spool.Operator, f spool.Filter) (spool.Moved, error) {
		return op.Drop(p.ctx, time.Now(), f)
	})
}

type queueHoldCmd struct {
	chosen `embed:""`
	Reason string `default:"held by an operator" placeholder:"TEXT" help:"What the lists say (${default})."`
}

// Run keeps what waits from being sent.
func (c queueHoldCmd) Run(p *program) error {
	return c.operate(p, c.Route, "held", func(_ *config.Config, op spool.Operator, f spool.Filter) (spool.Moved, error) {
		return op.Hold(p.ctx, time.Now(), f, c.Reason)
	})
}

type queueReleaseCmd struct {
	chosen `embed:""`
}

// Run lets go what was held.
func (c queueReleaseCmd) Run(p *program) error {
	return c.operate(p, c.Route, "released", func(_ *config.Config, op spool.Operator, f spool.Filter) (spool.Moved, error) {
		return op.Release(p.ctx, time.Now(), f)
	})
}

type queueForgetCmd struct {
	configured
	Recipient string `required:"" placeholder:"ADDRESS" help:"Whose mail is forgotten."`
}

// Run removes what is known of a recipient: bodies, titles and addresses of
// finished mail; what waits is dropped.
func (c queueForgetCmd) Run(p *program) error {
	return selection{configured: c.configured, Recipient: c.Recipient}.operate(p, "", "forgotten",
		func(_ *config.Config, op spool.Operator, _ spool.Filter) (spool.Moved, error) {
			return op.Forget(p.ctx, time.Now(), c.Recipient)
		})
}

type queueStatsCmd struct{ configured }

// Run prints the ledger: how many requests of each route are in which state, and
// what is held.
func (c queueStatsCmd) Run(p *program) (err error) {
	op, _, err := c.operator(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, op.Close()) }()
	routes, err := op.Stats(p.ctx)
	if err != nil {
		return err
	}
	gates, err := op.Holds(p.ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "ROUTE\tACCEPTED\tSENT\tFLAGGED\tWAITING\tFAILED\tDROPPED\t")
	for _, r := range routes {
		sent, flagged, failed, dropped := r.States["sent"], r.States["flagged"], r.States["failed"], r.States["dropped"]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", r.Route, r.Accepted, sent, flagged, r.Accepted-sent-flagged-failed-dropped, failed, dropped)
	}
	for _, g := range gates {
		fmt.Fprintf(p.stdout, "held since %s: team %s, %s: %s\n", when(g.Since), g.Team, cmp.Or(g.Route, "all routes"), g.Reason)
	}
	return w.Flush()
}
