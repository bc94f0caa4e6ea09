package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
)

// leases are those of the active requests: all were claimed by this process, as Open makes ready what
// others left. An index of them would cost each message two pages, although hardly any lease lapses.
type leases struct {
	ends map[int64]int64 // by request
	undo []lease         // what the present transaction found, oldest first
}

// lease is that of a request. One that ends at 0 does not exist.
type lease struct{ request, ends int64 }

// begin remembers a lease.
func (l *leases) begin(request, ends int64) {
	l.undo = append(l.undo, lease{request, l.ends[request]})
	l.ends[request] = ends
}

// end forgets the lease of a request that is no longer active.
func (l *leases) end(request int64) {
	l.undo = append(l.undo, lease{request, l.ends[request]})
	delete(l.ends, request)
}

// extend has a lease, if there is one, not end before a time. It is called between two transactions.
func (l *leases) extend(request, until int64) {
	if ends, ok := l.ends[request]; ok {
		l.ends[request] = max(ends, until)
	}
}

// renew has all leases end at another time.
func (l *leases) renew(ends int64) {
	for request := range l.ends {
		l.begin(request, ends)
	}
}

// keep is called when a transaction has been committed.
func (l *leases) keep() { l.undo = l.undo[:0] }

// restore is called when a transaction has been rolled back.
func (l *leases) restore() {
	for _, found := range slices.Backward(l.undo) {
		if found.ends == 0 {
			delete(l.ends, found.request)
		} else {
			l.ends[found.request] = found.ends
		}
	}
	l.undo = l.undo[:0]
}

// lapsed are the leases that ended until now, the oldest first.
func (l *leases) lapsed(now int64) (all []lease) {
	for request, ends := range l.ends {
		if ends <= now {
			all = append(all, lease{request, ends})
		}
	}
	slices.SortFunc(all, func(a, b lease) int {
		return cmp.Or(cmp.Compare(a.ends, b.ends), cmp.Compare(a.request, b.request))
	})
	return all
}

// next is when the first of them ends, and false where there is none.
func (l *leases) next() (ends int64, ok bool) {
	for _, at := range l.ends {
		if !ok || at < ends {
			ends, ok = at, true
		}
	}
	return ends, ok
}

const sqlLapsed = `SELECT id, team, route, state FROM request WHERE id = ? AND ` + isActive

// makeLapsedReady makes ready what is active and was lost, and returns it.
func (c *claim) makeLapsedReady() (lost []due, err error) {
	all := c.leases.lapsed(stamp(c.now))
	for _, l := range all[:min(len(all), dueAtOnce)] {
		one, err := c.dueBy(sqlLapsed, l.request)
		if err != nil {
			return nil, err
		}
		lost = append(lost, one...)
	}
	return lost, c.makeAllReady(lost)
}

const sqlActiveAt = `
SELECT id, team, route, state FROM request WHERE team = ? AND route = ? AND inbox = ? AND ` + isActive

// activeIn returns what is active in a file that no process serves.
func activeIn(ctx context.Context, conn *sql.Conn) (all []due, err error) {
	places, err := destinationsOf(ctx, conn)
	for _, at := range places {
		err := eachRow(ctx, conn, sqlActiveAt, []any{at.Team, at.Route, at.Inbox}, func(row scanner) error {
			var r due
			err := r.scan(row)
			all = append(all, r)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, err
}

// makeActiveReady makes ready what the last process had active: the outcome of a send is unknown.
func makeActiveReady(ctx context.Context, conn *sql.Conn) error {
	all, err := activeIn(ctx, conn)
	if len(all) == 0 || err != nil {
		return err
	}
	return alone(ctx, conn, func(w *writer) error { return w.lose(all) })
}

// lose makes active requests ready that nobody has any more.
func (w *writer) lose(all []due) error {
	if err := w.makeAllReady(all); err != nil {
		return err
	}
	return w.clearLanesOf(all)
}
