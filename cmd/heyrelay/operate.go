package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
	"heyrelay/internal/strictyaml"
)

// selection is the requests that a command applies to: messages by queue id, or a filter.
type selection struct {
	configured
	QueueIDs  []string      `arg:"" optional:"" name:"queue-id" help:"Only these messages (see the 250 reply or the log)."`
	State     []string      `placeholder:"STATE" help:"Only requests in these states. ${state_help}"`
	Recipient string        `placeholder:"ADDRESS" help:"Only requests to this recipient."`
	OlderThan time.Duration `placeholder:"DURATION" help:"Only requests accepted longer ago than this, such as 15m."`
	All       bool          `help:"All requests."`
}

// chosen is a selection that may be restricted to a route.
type chosen struct {
	selection `embed:""`
	Route     string `placeholder:"NAME" help:"Only requests of this route."`
}

// filter returns an error for an empty selection: everything must be asked for by --all.
func (c selection) filter(route string) (spool.Filter, error) {
	if len(c.QueueIDs) == 0 && c.State == nil && route == "" && c.Recipient == "" && c.OlderThan == 0 && !c.All {
		return spool.Filter{}, errors.New("name queue ids or a filter, or use --all")
	}
	states, err := spool.ParseStates(c.State)
	return spool.Filter{
		QueueIDs:  c.QueueIDs,
		States:    states,
		Route:     route,
		Recipient: c.Recipient,
		Before:    ago(c.OlderThan),
	}, err
}

// ago returns the time before which something is older than d; the zero time if d is not given.
func ago(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(-d)
}

// operation changes the requests that a filter selects.
type operation func(*config.Config, spool.Operator, spool.Filter) (spool.Moved, error)

// operate runs an operation on the configured spool, also while a relay serves it, and prints how many requests
// it changed and what happens next.
func (c selection) operate(p *program, route, done string, do operation) error {
	f, err := c.filter(route)
	if err != nil {
		return err
	}
	return c.withOperator(p, func(cfg *config.Config, op spool.Operator) error {
		m, err := do(cfg, op, f)
		if err != nil {
			return withProgress(err, m, done)
		}
		printMoved(p, done, m)
		if m.Due > 0 {
			printPauses(p, cfg)
		}
		switch {
		case m.Requests > 0:
			return nil
		case m.Busy+m.Due+m.Behind+m.Deferred+len(m.Kept) > 0:
			return errQuiet
		}
		return explainNothing(p, op, f)
	})
}

// withProgress adds to the error of an operation how many requests it changed before.
func withProgress(err error, m spool.Moved, done string) error {
	if m.Requests == 0 {
		return err
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return fmt.Errorf("%w: %d %s so far; repeat the command for the rest", err, m.Requests, done)
}

// withOperator runs use on the configured spool, also while a relay serves it.
func (c configured) withOperator(p *program, use func(*config.Config, spool.Operator) error) error {
	cfg, err := c.load(p, config.WithoutSecrets)
	if err != nil {
		return err
	}
	return changeSpool(p, cfg, func(op spool.Operator) error { return use(cfg, op) })
}

// changeSpool runs use on the spool of a configuration, also while a relay serves it. A terminal shows how far it
// has come.
func changeSpool(p *program, cfg *config.Config, use func(spool.Operator) error) (err error) {
	var progress func(done, found int)
	if isTerminal(p.stderr) {
		progress = progressTo(p.stderr, time.Now)
	}
	op, err := openOperator(cfg, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, op.Close()) }()
	return use(op)
}

func printMoved(p *program, done string, m spool.Moved) {
	fmt.Fprintf(p.stdout, "%d %s\n", m.Requests, done)
	if m.MaybeSent > 0 {
		fmt.Fprintf(p.stdout, "%d of them may have been sent: the outcome of an attempt is unknown\n", m.MaybeSent)
	}
	if m.Busy > 0 {
		fmt.Fprintf(p.stdout, "%d unchanged: an attempt is in progress, try again\n", m.Busy)
	}
	printNext(p, m)
}

// fewNamed is how many requests explainNothing names.
const fewNamed = 10

// explainNothing returns the error that nothing matches. It says in which states the messages are that
// were named.
func explainNothing(p *program, op spool.Operator, f spool.Filter) error {
	if len(f.QueueIDs) == 0 {
		return errors.New("nothing matches; see heyrelay queue list")
	}
	entries, err := op.List(p.ctx, spool.Filter{QueueIDs: f.QueueIDs, Limit: fewNamed})
	if err != nil {
		return err
	}
	var states []string
	for _, e := range entries {
		states = append(states, e.QueueID+" is "+stateOf(e))
	}
	return fmt.Errorf("nothing matches: %s; see heyrelay queue list", strings.Join(states, ", "))
}

type queueRetryCmd struct {
	selection `embed:""`
	FromRoute string `placeholder:"NAME" help:"Only requests of this route."`
	Anew      bool   `help:"Use a new local_id. A message that was sent after all is then sent twice."`
	Route     string `placeholder:"NAME" help:"Move to this route, with its current team and inbox."`
}

// Run requeues failed, dropped and held requests, and makes deferred ones due.
func (c queueRetryCmd) Run(p *program) error {
	retry := func(cfg *config.Config, op spool.Operator, f spool.Filter) (spool.Moved, error) {
		o := spool.RetryOptions{Anew: c.Anew, NewLocalID: uuid.NewString}
		if c.Route != "" {
			r, err := routeByName(cfg, c.Route)
			if err != nil {
				return spool.Moved{}, err
			}
			o.Route, o.Team, o.Inbox = r.Name, r.Team, r.Inbox
		}
		return op.Retry(p.ctx, time.Now(), f, o)
	}
	return c.operate(p, c.FromRoute, "queued again", retry)
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

// Run drops pending requests.
func (c queueDropCmd) Run(p *program) error {
	var kept strictyaml.Duration
	drop := func(cfg *config.Config, op spool.Operator, f spool.Filter) (spool.Moved, error) {
		kept = cfg.Retention.Failed
		return op.Drop(p.ctx, time.Now(), f)
	}
	if err := c.operate(p, c.Route, "dropped", drop); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "not sent, unless heyrelay queue retry queues them again within %s (retention.failed)\n", kept)
	return nil
}

type queueForgetCmd struct {
	configured
	Recipient string `required:"" placeholder:"ADDRESS" help:"The recipient to remove."`
}

// Run removes what is stored about a recipient: bodies, titles and addresses of mail that has ended. Pending
// requests are dropped.
func (c queueForgetCmd) Run(p *program) error {
	forget := func(_ *config.Config, op spool.Operator, _ spool.Filter) (spool.Moved, error) {
		return op.Forget(p.ctx, time.Now(), c.Recipient)
	}
	return selection{configured: c.configured, Recipient: c.Recipient}.operate(p, "", "forgotten", forget)
}

type queueStatsCmd struct{ configured }

// Run prints how many requests of each route are in which state, the holds, and which teams pause.
func (c queueStatsCmd) Run(p *program) error {
	return c.withOperator(p, func(cfg *config.Config, op spool.Operator) error {
		err := printStats(p, op)
		printPauses(p, cfg)
		return err
	})
}

func printStats(p *program, op spool.Operator) error {
	routes, err := op.Stats(p.ctx)
	if err != nil {
		return err
	}
	kept, err := op.Kept(p.ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "ROUTE\tACCEPTED\tSENT\tFLAGGED\tPENDING\tOF WHICH HELD\tFAILED\tDROPPED\tSHADOWED\t")
	for _, r := range routes {
		n := r.States
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			r.Route, r.Accepted, n["sent"], n["flagged"], r.Pending(), n["held"], n["failed"], n["dropped"], n["shadowed"])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, k := range kept {
		fmt.Fprintln(p.stdout, describeKept(k))
	}
	return nil
}
