package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"heyrelay/internal/spool"
)

const (
	sqlGate     = `SELECT next, slot, held FROM gate WHERE team = ? AND route = ''`
	sqlSaveGate = `
INSERT INTO gate (team, route, next, slot) VALUES (?, '', ?, ?)
    ON CONFLICT (team, route) DO UPDATE SET next = excluded.next, slot = excluded.slot`
)

// Spend implements spool.Store.
func (s *Store) Spend(ctx context.Context, now time.Time, team string, rate, calls int) error {
	_, err := run(ctx, s, 0, func(w *writer) (int64, error) {
		var next, slot, held int64
		if _, err := w.get(sqlGate, []any{team}, &next, &slot, &held); err != nil {
			return 0, err
		}
		return w.exec(sqlSaveGate, team, stamp(spool.Debit(rate, calls, now, moment(next))), slot)
	})
	return err
}

// Changed implements spool.Store.
func (s *Store) Changed(ctx context.Context) (bool, error) {
	return run(ctx, s, 0, func(w *writer) (bool, error) {
		before := w.version
		_, err := w.get(sqlVersion, nil, &w.version)
		return w.version != before, err
	})
}

// sqlVersion changes when another connection has committed.
const sqlVersion = `PRAGMA data_version`

const (
	sqlHold = `
INSERT INTO gate (team, route, held, reason, probe) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (team, route) DO UPDATE
   SET held = CASE WHEN held = 0 THEN excluded.held ELSE held END, reason = excluded.reason, probe = excluded.probe`

	sqlLift = `UPDATE gate SET held = 0, reason = '', probe = 0, lifted = ? WHERE team = ? AND route = ? AND held <> 0`

	sqlAsleep = `
SELECT id, route, state FROM request
 WHERE state = 2 AND team = ? AND id > ? AND (? = '' OR route = ?) ORDER BY id LIMIT 500`
)

// Hold implements spool.Store.
func (s *Store) Hold(ctx context.Context, now time.Time, g spool.Gate, event []byte) error {
	since := g.Since
	if since.IsZero() {
		since = now
	}
	_, err := run(ctx, s, 0, func(w *writer) (struct{}, error) {
		if _, err := w.exec(sqlHold, g.Team, g.Route, stamp(since), g.Reason, stamp(g.Probe)); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, w.tell(now, nil, event)
	})
	return err
}

// Lift implements spool.Store.
func (s *Store) Lift(ctx context.Context, now time.Time, team, route string, event []byte) (woken int, err error) {
	n, err := run(ctx, s, 0, func(w *writer) (int64, error) {
		n, err := w.exec(sqlLift, stamp(now), team, route)
		if n == 0 || err != nil {
			return n, err
		}
		return n, w.tell(now, nil, event)
	})
	if n == 0 || err != nil {
		return 0, err
	}
	return s.wake(ctx, team, route)
}

// Wake implements spool.Store.
func (s *Store) Wake(ctx context.Context, _ time.Time, team string) (woken int, err error) {
	return s.wake(ctx, team, "")
}

// wake makes ready what sleeps of a team, or of one of its routes, in steps
// between which others have their turn.
func (s *Store) wake(ctx context.Context, team, route string) (woken int, err error) {
	for last := int64(0); ; {
		step, err := run(ctx, s, 0, func(w *writer) ([]due, error) {
			return w.wakeAll(sqlAsleep, team, last, route, route)
		})
		woken += len(step)
		if len(step) == 0 || err != nil {
			return woken, err
		}
		last = step[len(step)-1].id
	}
}

const (
	sqlRestart = `
INSERT INTO gate (team, route, lifted) VALUES (?, '', ?)
    ON CONFLICT (team, route) DO UPDATE SET lifted = excluded.lifted`

	// A time that is still to come was written by another clock.
	sqlSetBack = `UPDATE gate SET lifted = min(lifted, ?), probe = min(probe, ?) WHERE team = ?`
)

// Jumped implements spool.Store.
func (s *Store) Jumped(ctx context.Context, now time.Time, team string) (woken int, err error) {
	_, err = run(ctx, s, 0, func(w *writer) (int64, error) {
		if _, err := w.exec(sqlRestart, team, stamp(now)); err != nil {
			return 0, err
		}
		return w.exec(sqlSetBack, stamp(now), stamp(now), team)
	})
	if err != nil {
		return 0, err
	}
	return s.wake(ctx, team, "")
}

const (
	sqlHeld = `SELECT route, probe FROM gate INDEXED BY gate_held WHERE held <> 0 AND team = ? AND route > ''`

	sqlProbed = `UPDATE gate SET probe = ? WHERE team = ? AND route = ?`
)

// heldRoutes are the routes of a team that are held, each with the time of its
// next probe.
func (w *writer) heldRoutes(team string) (map[string]int64, error) {
	held := map[string]int64{}
	err := w.each(sqlHeld, []any{team}, func(rows *sql.Rows) error {
		var route string
		var probe int64
		err := rows.Scan(&route, &probe)
		held[route] = probe
		return err
	})
	return held, err
}

const sqlGates = `SELECT team, route, reason, held, probe FROM gate WHERE held <> 0 ORDER BY team, route`

// Gates implements spool.Reader.
func (r *Reader) Gates(ctx context.Context) (gates []spool.Gate, err error) {
	rows, err := r.db.QueryContext(ctx, sqlGates)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var g spool.Gate
		var since, probe int64
		if err := rows.Scan(&g.Team, &g.Route, &g.Reason, &since, &probe); err != nil {
			return nil, classify(err)
		}
		g.Since, g.Probe = moment(since), moment(probe)
		gates = append(gates, g)
	}
	return gates, classify(rows.Err())
}
