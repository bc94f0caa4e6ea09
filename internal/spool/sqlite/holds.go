package sqlite

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

const sqlHolds = `
SELECT team, route, inbox, reason, held, operator, probe FROM gate WHERE held <> 0 ORDER BY team, route, inbox`

// Holds implements spool.Reader.
func (r *Reader) Holds(ctx context.Context) ([]spool.Hold, error) { return holdsOf(ctx, r.db) }

func holdsOf(ctx context.Context, q queries) (all []spool.Hold, err error) {
	err = eachRow(ctx, q, sqlHolds, nil, func(row scanner) error {
		var h spool.Hold
		var since, probe int64
		err := row.Scan(&h.Team, &h.Route, &h.Inbox, &h.Reason, &since, &h.Operator, &probe)
		h.Since, h.Probe = moment(since), moment(probe)
		all = append(all, h)
		return err
	})
	return all, err
}

// shown returns the state that people see of a request, and what keeps it back.
// What is active has left already.
func shown(state spool.State, holds []spool.Hold, own string, at spool.Destination) (spool.State, *spool.Hold) {
	if !state.Open() || state == spool.Active {
		return state, nil
	}
	if h := spool.KeptBack(holds, own, at); h != nil {
		return spool.Held, h
	}
	return state, nil
}

// HoldDestination implements spool.Operator.
func (o *Operator) HoldDestination(ctx context.Context, now time.Time, h spool.Hold) error {
	h.Operator, h.Probe = true, time.Time{}
	h.Reason = cmp.Or(h.Reason, spool.OperatorReason)
	return o.transact(ctx, func(w *writer) error {
		_, err := w.hold(now, h)
		return err
	})
}

// ReleaseDestination implements spool.Operator.
func (o *Operator) ReleaseDestination(ctx context.Context, now time.Time, at spool.Destination) (bool, error) {
	n, err := operate(ctx, o, func(w *writer) (int64, error) {
		return w.execGate(sqlRelease, stamp(now), at.Team, at.Route, at.Inbox, 1)
	})
	if n == 0 || err != nil {
		return false, err
	}
	_, err = o.makeDueBy(ctx, at, func(step makeDueStep) ([]due, error) { return operate(ctx, o, step) })
	return true, err
}

const (
	sqlStats = `SELECT route, state, n FROM counter WHERE n <> 0 ORDER BY route, state`

	// Requests that have a hold of their own.
	sqlOwnHolds = `
SELECT team, route, inbox, state, count(*) FROM request WHERE hold <> '' GROUP BY team, route, inbox, state`

	sqlStatesAt = `
SELECT team, route, inbox, state, count(*) FROM request
 WHERE ` + isOpen + ` AND team = ? AND route = ? AND inbox = ? GROUP BY state`
)

// tally says how many requests of a destination, or of a route, are in which state.
type tally map[spool.State]int

// census is how many requests are in which state, and which of them are kept back.
type census struct {
	routes map[string]tally            // all, as the ledger counts them
	own    map[spool.Destination]tally // those that have a hold of their own
	kept   map[spool.Destination]tally // those that a hold of a team or a route keeps back
	holds  []spool.Hold
}

// census counts at one moment. It goes through the requests of a held destination
// only if others of its route are not held.
func (r *Reader) census(ctx context.Context) (c census, err error) {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return c, classify(err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	c = census{routes: map[string]tally{}, kept: map[spool.Destination]tally{}}
	if err := c.countRoutes(ctx, tx); err != nil {
		return c, err
	}
	c.own, err = talliesOf(ctx, tx, sqlOwnHolds)
	if err != nil {
		return c, err
	}
	c.holds, err = holdsOf(ctx, tx)
	if err != nil {
		return c, err
	}
	return c, c.countKept(ctx, tx)
}

func (c *census) countRoutes(ctx context.Context, q queries) error {
	return eachRow(ctx, q, sqlStats, nil, func(row scanner) error {
		var route string
		var state spool.State
		var n int
		if err := row.Scan(&route, &state, &n); err != nil {
			return err
		}
		if c.routes[route] == nil {
			c.routes[route] = tally{}
		}
		c.routes[route][state] = n
		return nil
	})
}

// countKept counts what is kept back in each destination that is held.
func (c *census) countKept(ctx context.Context, q queries) error {
	if c.holds == nil {
		return nil
	}
	places, err := destinationsOf(ctx, q)
	if err != nil {
		return err
	}
	ofRoute := map[string]int{}
	for _, at := range places {
		ofRoute[at.Route]++
	}
	for _, at := range places {
		switch {
		case spool.KeptBack(c.holds, "", at) == nil:
			continue
		case ofRoute[at.Route] == 1:
			c.kept[at] = maps.Clone(c.routes[at.Route])
		default:
			all, err := talliesOf(ctx, q, sqlStatesAt, at.Team, at.Route, at.Inbox)
			if err != nil {
				return err
			}
			c.kept[at] = all[at]
		}
		for state, n := range c.own[at] {
			c.kept[at][state] -= n
		}
		maps.DeleteFunc(c.kept[at], func(s spool.State, _ int) bool { return !s.Open() || s == spool.Active })
	}
	return nil
}

// talliesOf reads rows of a destination, a state and a number.
func talliesOf(ctx context.Context, q queries, query string, args ...any) (all map[spool.Destination]tally, err error) {
	all = map[spool.Destination]tally{}
	err = eachRow(ctx, q, query, args, func(row scanner) error {
		var at spool.Destination
		var state spool.State
		var n int
		if err := row.Scan(&at.Team, &at.Route, &at.Inbox, &state, &n); err != nil {
			return err
		}
		if all[at] == nil {
			all[at] = tally{}
		}
		all[at][state] = n
		return nil
	})
	return all, err
}

// Stats implements spool.Operator.
func (r *Reader) Stats(ctx context.Context) (list []spool.RouteStats, err error) {
	c, err := r.census(ctx)
	if err != nil {
		return nil, err
	}
	for _, part := range []map[spool.Destination]tally{c.own, c.kept} {
		for at, states := range part {
			for state, n := range states {
				c.routes[at.Route][state] -= n
				c.routes[at.Route][spool.Held] += n
			}
		}
	}
	for _, route := range slices.Sorted(maps.Keys(c.routes)) {
		s := spool.RouteStats{Route: route, States: map[string]int{}}
		for state, n := range c.routes[route] {
			s.Accepted += n
			if n != 0 {
				s.States[state.String()] = n
			}
		}
		list = append(list, s)
	}
	return list, nil
}

// Kept implements spool.Operator.
func (r *Reader) Kept(ctx context.Context) (all []spool.Kept, err error) {
	c, err := r.census(ctx)
	if err != nil {
		return nil, err
	}
	for _, states := range c.own {
		all = spool.AddKept(all, spool.Hold{}, states.sum())
	}
	for _, h := range c.holds {
		all = spool.AddKept(all, h, 0)
	}
	for at, states := range c.kept {
		all = spool.AddKept(all, *spool.KeptBack(c.holds, "", at), states.sum())
	}
	return all, nil
}

func (t tally) sum() (n int) {
	for _, one := range t {
		n += one
	}
	return n
}
