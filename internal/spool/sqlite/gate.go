package sqlite

import (
	"cmp"
	"context"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// gate is what a transaction knows of a team: its row in gate, and which of its routes are held.
type gate struct {
	next     time.Time // see spool.Spend
	tick     int64     // see spool.ClassOrder
	seq      int64     // the last one given
	held     bool      // the whole team
	throttle spool.Throttle
	routes   map[spool.Destination]int64 // that are held, whole or for one inbox: when each gives a probe

	changed bool // next, tick or seq
}

const (
	sqlGate = `
SELECT route, inbox, next, tick, seq, held <> 0, shut_began, shut_until, shut_rate, probe FROM gate
 WHERE team = ? AND (route = '' OR held <> 0)`

	sqlThrottle = `
INSERT INTO gate (team, route, shut_began, shut_until, shut_rate) VALUES (?, '', ?, ?, ?)
    ON CONFLICT (team, route, inbox) DO UPDATE
   SET shut_began = excluded.shut_began, shut_until = excluded.shut_until, shut_rate = excluded.shut_rate`

	sqlSaveGate = `
INSERT INTO gate (team, route, next, tick, seq) VALUES (?, '', ?, ?, ?)
    ON CONFLICT (team, route, inbox) DO UPDATE SET next = excluded.next, tick = excluded.tick, seq = excluded.seq`
)

// Reserve implements spool.Store.
func (s *Store) Reserve(ctx context.Context, now time.Time, team string, rate int) (time.Time, error) {
	return run(ctx, s, 0, func(w *writer) (time.Time, error) {
		g, err := w.gate(team)
		if err != nil {
			return time.Time{}, err
		}
		begin, after := spool.Reserve(g.throttle.Pace(rate, now), now, g.next)
		if until := g.throttle.Shut(now); until.After(begin) {
			begin = until
		}
		g.spend(after)
		return begin, nil
	})
}

// Throttle implements spool.Store.
func (s *Store) Throttle(
	ctx context.Context, now time.Time, team string, answer spool.TooMany,
) (spool.Throttle, error) {
	return run(ctx, s, 0, func(w *writer) (spool.Throttle, error) {
		g, err := w.gate(team)
		if err != nil {
			return spool.Throttle{}, err
		}
		t := g.throttle.After(answer, now)
		_, err = w.execGate(sqlThrottle, team, stamp(t.Began), stamp(t.Until), t.Rate)
		return t, err
	})
}

// Throttled implements spool.Store.
func (s *Store) Throttled(ctx context.Context, team string) (spool.Throttle, error) {
	return run(ctx, s, 0, func(w *writer) (spool.Throttle, error) {
		g, err := w.gate(team)
		if err != nil {
			return spool.Throttle{}, err
		}
		return g.throttle, nil
	})
}

// gate reads the gate of a team once in a transaction. What changes its next, tick or seq says so;
// everything else is changed by execGate.
func (w *writer) gate(team string) (*gate, error) {
	if g := w.teams[team]; g != nil {
		return g, nil
	}
	g := &gate{routes: map[spool.Destination]int64{}}
	err := w.each(sqlGate, []any{team}, func(row scanner) error {
		at := spool.Destination{Team: team}
		var one gate
		var next, began, until, probe int64
		err := row.Scan(&at.Route, &at.Inbox, &next, &one.tick, &one.seq, &one.held, &began, &until,
			&one.throttle.Rate, &probe)
		if at.Route != "" {
			g.routes[at] = probe
			return err
		}
		one.next, one.throttle.Began, one.throttle.Until = moment(next), moment(began), moment(until)
		one.routes = g.routes
		*g = one
		return err
	})
	if err != nil {
		return nil, err
	}
	if w.teams == nil {
		w.teams = map[string]*gate{}
	}
	w.teams[team] = g
	return g, nil
}

// isHeld reports whether a destination of the team is held, and when its route gives a probe.
func (g *gate) isHeld(at spool.Destination) (probe int64, held bool) {
	_, held = g.routes[at]
	if held {
		return 0, true
	}
	at.Inbox = 0
	probe, held = g.routes[at]
	return probe, held
}

// spend makes next what it is after a call.
func (g *gate) spend(next time.Time) {
	g.changed = g.changed || !next.Equal(g.next)
	g.next = next
}

// saveTeams stores what changed.
func (w *writer) saveTeams() error {
	for team, g := range w.teams {
		if !g.changed {
			continue
		}
		if _, err := w.exec(sqlSaveGate, team, stamp(g.next), g.tick, g.seq); err != nil {
			return err
		}
		g.changed = false
	}
	return nil
}

// execGate runs a statement that changes gates, which are read again: Claim may have more, or less.
func (w *writer) execGate(query string, args ...any) (int64, error) {
	if err := w.saveTeams(); err != nil {
		return 0, err
	}
	w.teams = nil
	w.offers = map[string]offer{}
	w.more = true
	return w.exec(query, args...)
}

// nextSeq returns a new seq of a team.
func (w *writer) nextSeq(team string) (int64, error) {
	g, err := w.gate(team)
	if err != nil {
		return 0, err
	}
	g.seq++
	g.changed = true
	return g.seq, nil
}

// ChangedExternally implements spool.Store.
func (s *Store) ChangedExternally(ctx context.Context) (bool, error) {
	return look(ctx, s, func(w *writer) (bool, error) {
		var version int64
		_, err := w.get(sqlVersion, nil, &version)
		changed := version != w.version
		if err == nil {
			w.version = version
		}
		return changed, err
	})
}

// sqlVersion changes when another connection has committed.
const sqlVersion = `PRAGMA data_version`

const (
	sqlHold = `
INSERT INTO gate (team, route, inbox, held, operator, reason, probe) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (team, route, inbox) DO UPDATE
   SET held = CASE WHEN held = 0 OR operator <> excluded.operator THEN excluded.held ELSE held END,
       operator = excluded.operator, reason = excluded.reason, probe = excluded.probe
 WHERE held = 0 OR operator <= excluded.operator`

	// What an operator holds (1) only an operator releases.
	sqlRelease = `
UPDATE gate SET held = 0, operator = 0, reason = '', probe = 0, aside = 0, released = ?
 WHERE team = ? AND route = ? AND inbox = ? AND held <> 0 AND operator <= ?`

	sqlDeferred = `
SELECT id, team, route, state FROM request
 WHERE team = ? AND route = ? AND inbox = ? AND ` + isDeferred + ` AND id > ? ORDER BY id LIMIT 500`
)

// Hold implements spool.Store.
func (s *Store) Hold(ctx context.Context, now time.Time, h spool.Hold, event []byte) error {
	_, err := run(ctx, s, 0, func(w *writer) (struct{}, error) {
		n, err := w.hold(now, h)
		if n == 0 || err != nil {
			return struct{}{}, err
		}
		return struct{}{}, w.addEvent(now, nil, event)
	})
	return err
}

// hold returns 0 where a hold of an operator stands in the way.
func (w *writer) hold(now time.Time, h spool.Hold) (int64, error) {
	since := h.Since
	if since.IsZero() {
		since = now
	}
	return w.execGate(sqlHold, h.Team, h.Route, h.Inbox, stamp(since), h.Operator, h.Reason, stamp(h.Probe))
}

// Release implements spool.Store.
func (s *Store) Release(ctx context.Context, now time.Time, at spool.Destination, event []byte) (made int, err error) {
	n, err := run(ctx, s, 0, func(w *writer) (int64, error) {
		n, err := w.execGate(sqlRelease, stamp(now), at.Team, at.Route, at.Inbox, 0)
		if n == 0 || err != nil {
			return n, err
		}
		return n, w.addEvent(now, nil, event)
	})
	if n == 0 || err != nil {
		return 0, err
	}
	return s.makeDue(ctx, at)
}

// MakeDue implements spool.Store.
func (s *Store) MakeDue(ctx context.Context, _ time.Time, team string) (made int, err error) {
	return s.makeDue(ctx, spool.Destination{Team: team})
}

func (s *Store) makeDue(ctx context.Context, at spool.Destination) (made int, err error) {
	return s.makeDueBy(ctx, at, func(step makeDueStep) ([]due, error) { return run(ctx, s, 0, step) })
}

// makeDueStep makes some deferred requests ready, and returns them.
type makeDueStep = func(*writer) ([]due, error)

// makeDueBy makes the deferred requests of a team, a route or a destination ready, in steps between which
// other operations run. transact does a step in a transaction.
func (r *Reader) makeDueBy(
	ctx context.Context, at spool.Destination, transact func(makeDueStep) ([]due, error),
) (made int, err error) {
	places, err := r.pendingAt(ctx, at)
	if err != nil {
		return 0, err
	}
	for last := int64(0); ; {
		some, err := transact(func(w *writer) ([]due, error) { return w.makeReadyAt(places, last) })
		made += len(some)
		if len(some) == 0 || err != nil {
			return made, err
		}
		last = some[len(some)-1].id
	}
}

// makeReadyAt makes ready the next requests that are deferred at destinations, in the order accepted.
func (w *writer) makeReadyAt(places []spool.Destination, last int64) (all []due, err error) {
	for _, at := range places {
		some, err := w.dueBy(sqlDeferred, at.Team, at.Route, at.Inbox, last)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b due) int { return cmp.Compare(a.id, b.id) })
	all = all[:min(len(all), step)]
	return all, w.makeAllReady(all)
}

const (
	sqlRestartTrial = `
INSERT INTO gate (team, route, released) VALUES (?, '', ?)
    ON CONFLICT (team, route, inbox) DO UPDATE SET released = excluded.released`

	// Times and pauses were written by another clock: none is waited for.
	sqlClockSet = `
UPDATE gate SET released = min(released, ?), probe = min(probe, ?), shut_began = 0, shut_until = 0 WHERE team = ?`
)

// ClockChanged implements spool.Store.
func (s *Store) ClockChanged(
	ctx context.Context, now time.Time, lease time.Duration, team string,
) (made int, err error) {
	_, err = run(ctx, s, 0, func(w *writer) (int64, error) {
		w.leases.renew(stamp(now.Add(lease)))
		if _, err := w.execGate(sqlRestartTrial, team, stamp(now)); err != nil {
			return 0, err
		}
		return w.execGate(sqlClockSet, stamp(now), stamp(now), team)
	})
	if err != nil {
		return 0, err
	}
	return s.makeDue(ctx, spool.Destination{Team: team})
}

const sqlProbed = `UPDATE gate SET probe = ? WHERE team = ? AND route = ? AND inbox = 0`
