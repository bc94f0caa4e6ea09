package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
)

// scope is a selection that may mean a route, a team or everything as a whole: mail
// that is pending, and mail to come.
type scope struct {
	chosen `embed:""`
	Team   string `placeholder:"NAME" help:"The whole team: all of its routes, and their smarthosts."`
}

// whole reports whether c means destinations rather than single requests.
func (c scope) whole() (bool, error) {
	single := len(c.QueueIDs) > 0 || c.State != nil || c.Recipient != "" || c.OlderThan > 0
	switch {
	case c.Team != "" && (single || c.Route != "" || c.All):
		return false, errors.New("--team cannot be combined with other filters")
	case c.Route != "" && c.All:
		return false, errors.New("--route cannot be combined with --all")
	}
	return !single && (c.Team != "" || c.Route != "" || c.All), nil
}

// destinations are what c means as a whole, by the configuration.
func (c scope) destinations(cfg *config.Config) ([]spool.Destination, error) {
	byMail := cfg.ByMail()
	switch {
	case c.Route != "":
		r, err := routeByName(cfg, c.Route)
		return spool.Destination{Team: r.Team, Route: r.Name}.WithSmarthosts(byMail), err
	case c.Team != "":
		team := spool.Destination{Team: c.Team}
		if !slices.Contains(allTeams(cfg), team) {
			return nil, fmt.Errorf("the configuration has no team %q", c.Team)
		}
		return team.WithSmarthosts(byMail), nil
	}
	return allTeams(cfg), nil
}

// allTeams returns the teams of a configuration, each with what its routes send by smarthosts.
func allTeams(cfg *config.Config) (all []spool.Destination) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Teams)) {
		all = append(all, spool.Destination{Team: name}.WithSmarthosts(cfg.ByMail())...)
	}
	return all
}

// means reports whether h is a hold that c means as a whole, by the configuration.
func (c scope) means(cfg *config.Config, h spool.Hold) bool {
	switch {
	case c.Route != "":
		return h.Route == c.Route
	case c.Team != "":
		return slices.Contains(spool.Destination{Team: c.Team}.WithSmarthosts(cfg.ByMail()), h.Destination())
	}
	return true
}

type queueHoldCmd struct {
	scope  `embed:""`
	Reason string `default:"${operator_reason}" placeholder:"TEXT" help:"The reason, for lists and the log (${default})."`
}

// Help explains what is held.
func (queueHoldCmd) Help() string {
	return `With --route, --team or --all alone, future mail is held, too: SMTP accepts it, and it is sent after
heyrelay queue release. Only that ends such a hold; a restart does not, and neither does delivery.hold_max.
With queue ids or other filters, the requests that match now are held individually.`
}

// Run holds a route, a team or all teams, or single requests.
func (c queueHoldCmd) Run(p *program) error {
	whole, err := c.whole()
	if err != nil {
		return err
	}
	if whole {
		return c.withOperator(p, func(cfg *config.Config, op spool.Operator) error { return c.holdWhole(p, cfg, op) })
	}
	hold := func(_ *config.Config, op spool.Operator, f spool.Filter) (spool.Moved, error) {
		return op.Hold(p.ctx, time.Now(), f, c.Reason)
	}
	return c.operate(p, c.Route, "held", hold)
}

func (c queueHoldCmd) holdWhole(p *program, cfg *config.Config, op spool.Operator) error {
	all, err := c.destinations(cfg)
	if err != nil {
		return err
	}
	for _, at := range all {
		h := spool.Hold{Team: at.Team, Route: at.Route, Reason: c.Reason}
		if err := op.HoldDestination(p.ctx, time.Now(), h); err != nil {
			return err
		}
	}
	kept, err := op.Kept(p.ctx)
	if err != nil {
		return err
	}
	for _, k := range kept {
		if !slices.Contains(all, k.Destination()) {
			continue
		}
		fmt.Fprintf(p.stdout, "%s is on hold: mail is accepted, and sent after %s\n",
			k.Destination().Name(), releaseCommand(k.Hold))
		fmt.Fprintf(p.stdout, "%s kept back now\n", count(k.Requests, "request"))
	}
	return nil
}

type queueReleaseCmd struct {
	scope `embed:""`
}

// Help explains what is released.
func (queueReleaseCmd) Help() string {
	return `With --route or --team alone, the hold of that route or team ends, whether an operator or heyrelay began it.
With --all alone, all holds end, those of single requests included. With queue ids or other filters, single requests
that were held individually are released. What is released is due at once.`
}

// Run ends the hold of a route, of a team, all holds, or those of single requests.
func (c queueReleaseCmd) Run(p *program) error {
	whole, err := c.whole()
	if err != nil {
		return err
	}
	if whole {
		return c.withOperator(p, func(cfg *config.Config, op spool.Operator) error {
			return c.releaseWhole(p, cfg, op)
		})
	}
	release := func(_ *config.Config, op spool.Operator, f spool.Filter) (spool.Moved, error) {
		return op.Release(p.ctx, time.Now(), f)
	}
	return c.operate(p, c.Route, "released", release)
}

func (c queueReleaseCmd) releaseWhole(p *program, cfg *config.Config, op spool.Operator) error {
	before, err := op.Kept(p.ctx)
	if err != nil {
		return err
	}
	released := 0
	for _, k := range before {
		done, err := c.release(p, cfg, op, k)
		if err != nil {
			return err
		}
		if done {
			released++
		}
	}
	after, err := op.Kept(p.ctx)
	if err != nil {
		return err
	}
	if due := total(before) - total(after); due > 0 {
		fmt.Fprintf(p.stdout, "%s due now: heyrelay serve sends within the team's rate\n", count(due, "request"))
		printPauses(p, cfg)
	}
	for _, k := range after {
		if k.Requests > 0 {
			fmt.Fprintln(p.stdout, describeKept(k))
		}
	}
	if released == 0 {
		fmt.Fprintln(p.stderr, "heyrelay: nothing matches: no such hold; see heyrelay queue stats")
		return errQuiet
	}
	return nil
}

// release ends a hold, if it is meant. Where the configuration began it, only the
// configuration ends it.
func (c queueReleaseCmd) release(p *program, cfg *config.Config, op spool.Operator, k spool.Kept) (bool, error) {
	switch {
	case k.Level == spool.RequestLevel && c.All:
		m, err := op.Release(p.ctx, time.Now(), spool.Filter{})
		fmt.Fprintf(p.stdout, "%d released\n", m.Requests)
		return err == nil, err
	case k.Level == spool.RequestLevel || k.Inbox != 0 || !c.means(cfg, k.Hold):
		return false, nil
	}
	done, err := op.ReleaseDestination(p.ctx, time.Now(), k.Destination())
	if done {
		fmt.Fprintf(p.stdout, "%s released\n", k.Destination().Name())
	}
	return done, err
}

func total(all []spool.Kept) (n int) {
	for _, k := range all {
		n += k.Requests
	}
	return n
}

// releaseCommand ends a hold.
func releaseCommand(h spool.Hold) string {
	switch h.Level() {
	case spool.RequestLevel:
		return "heyrelay queue release --state held (or with queue ids)"
	case spool.RouteLevel:
		return "heyrelay queue release --route " + h.Route
	}
	return "heyrelay queue release --team " + h.Team
}

// describeKept explains what a hold keeps back, and what ends it.
func describeKept(k spool.Kept) string {
	switch {
	case k.Level == spool.RequestLevel:
		return fmt.Sprintf("%d kept back: held individually; sent after %s", k.Requests, releaseCommand(k.Hold))
	case k.Inbox != 0: // its reason explains what to do
		return fmt.Sprintf("%d kept back: %s", k.Requests, k.Hold)
	}
	return fmt.Sprintf("%d kept back: %s; sent when the hold ends: %s", k.Requests, k.Hold, releaseCommand(k.Hold))
}

// printPauses says what keeps back what is due, beside holds, if a relay runs.
func printPauses(p *program, cfg *config.Config) {
	h, err := relayHealth(p.ctx, cfg)
	if err != nil {
		return // none runs, or it is about to end
	}
	for _, reason := range h.Paused {
		fmt.Fprintln(p.stdout, "not sent yet: "+printable(reason))
	}
}

// printNext explains what happens next to the requests that a verb matched.
func printNext(p *program, m spool.Moved) {
	if m.Due > 0 {
		fmt.Fprintf(p.stdout, "%d due now: heyrelay serve sends within the team's rate\n", m.Due)
	}
	if m.Behind > 0 {
		fmt.Fprintf(p.stdout, "%d queued: sent after earlier messages of their conversations\n", m.Behind)
	}
	if m.Deferred > 0 {
		fmt.Fprintf(p.stdout, "%d deferred: sent when due, see heyrelay queue list\n", m.Deferred)
	}
	for _, k := range m.Kept {
		fmt.Fprintln(p.stdout, describeKept(k))
	}
}
