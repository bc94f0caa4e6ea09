package sqlite

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"heyrelay/internal/spool"
)

const (
	sqlSetAside = `UPDATE gate SET aside = 1 WHERE team = ? AND route = ? AND inbox = ? AND held <> 0`

	// Lanes whose head is of a destination, and in which something of another is queued.
	sqlBlocked = `
SELECT h.id, h.lane FROM request h
 WHERE h.team = ? AND h.route = ? AND h.inbox = ? AND h.` + isAnyHead + ` AND h.lane > 0
   AND EXISTS (SELECT 1 FROM request q
                WHERE q.lane = h.lane AND q.` + isQueued + ` AND (q.route <> h.route OR q.inbox <> h.inbox))`

	sqlAsideHead = `SELECT id, team, route, inbox, state FROM request WHERE lane = ? AND ` + isHead

	sqlIsAside = `
SELECT 1 FROM gate WHERE team = ? AND route = ? AND inbox IN (0, ?) AND aside = 1 AND held <> 0 LIMIT 1`

	sqlOthersQueued = `SELECT 1 FROM request WHERE lane = ? AND ` + isQueued + ` AND (route <> ? OR inbox <> ?) LIMIT 1`

	sqlDetach = `UPDATE request SET lane = -id, effective_priority = priority WHERE id = ?`
)

// StepAside implements spool.Store. It looks for blocked lanes beside the writer.
func (s *Store) StepAside(ctx context.Context, at spool.Destination) error {
	n, err := run(ctx, s, 0, func(w *writer) (int64, error) {
		return w.execGate(sqlSetAside, at.Team, at.Route, at.Inbox)
	})
	if n == 0 || err != nil {
		return err
	}
	places, err := s.pendingAt(ctx, at)
	if err != nil {
		return err
	}
	for _, place := range places {
		if err := s.clearLanes(ctx, place); err != nil {
			return err
		}
	}
	return nil
}

// clearLanes has the heads of a destination leave the lanes that they block, in steps between which
// other operations run.
func (s *Store) clearLanes(ctx context.Context, at spool.Destination) error {
	lanes, err := s.blocked(ctx, at)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(lanes, step) {
		_, err := run(ctx, s, 0, func(w *writer) (struct{}, error) { return struct{}{}, w.clearAll(some) })
		if err != nil {
			return err
		}
	}
	return nil
}

// clearAll clears lanes, in their order.
func (w *writer) clearAll(lanes []int64) error {
	for _, lane := range lanes {
		if err := w.clearLane(lane); err != nil {
			return err
		}
	}
	return nil
}

// blocked are the lanes that heads of a destination block, in the order in which these were accepted.
func (r *Reader) blocked(ctx context.Context, at spool.Destination) ([]int64, error) {
	lanes := map[int64]int64{}
	err := eachRow(ctx, r.db, sqlBlocked, []any{at.Team, at.Route, at.Inbox}, func(row scanner) error {
		var head, lane int64
		err := row.Scan(&head, &lane)
		lanes[head] = lane
		return err
	})
	ordered := make([]int64, 0, len(lanes))
	for _, head := range slices.Sorted(maps.Keys(lanes)) {
		ordered = append(ordered, lanes[head])
	}
	return ordered, err
}

// clearLane has a head leave its lane where its destination is held and requests of
// another are queued behind it, and so the next one, if it is such a head, too.
func (w *writer) clearLane(lane int64) error {
	for lane > 0 {
		var id int64
		var state spool.State
		var at spool.Destination
		ok, err := w.get(sqlAsideHead, []any{lane}, &id, &at.Team, &at.Route, &at.Inbox, &state)
		if !ok || state == spool.Active || err != nil {
			return err
		}
		if ok, err := w.blocks(lane, at); !ok || err != nil {
			return err
		}
		if _, err := w.exec(sqlDetach, id); err != nil {
			return err
		}
		if err := w.next(lane); err != nil {
			return err
		}
	}
	return nil
}

const sqlLaneOf = `SELECT lane FROM request WHERE id = ?`

// clearLanesOf clears the lanes of requests that are no longer active, in the order in which these were accepted.
// While they were active, they could not step aside.
func (w *writer) clearLanesOf(requests []due) error {
	slices.SortFunc(requests, func(a, b due) int { return cmp.Compare(a.id, b.id) })
	for _, r := range requests {
		var lane int64
		if _, err := w.get(sqlLaneOf, []any{r.id}, &lane); err != nil {
			return err
		}
		if err := w.clearLane(lane); err != nil {
			return err
		}
	}
	return nil
}

// blocks reports whether a head of a destination blocks requests of others in its
// lane, and is to step aside.
func (w *writer) blocks(lane int64, at spool.Destination) (bool, error) {
	var one int
	aside, err := w.get(sqlIsAside, []any{at.Team, at.Route, at.Inbox}, &one)
	if !aside || err != nil {
		return false, err
	}
	return w.get(sqlOthersQueued, []any{lane, at.Route, at.Inbox}, &one)
}
