package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// sqlNextPlace finds the next destination, and whether a request of it is open: the states of those
// that are come before all others.
const sqlNextPlace = `
SELECT team, route, inbox, ` + isOpen + ` FROM request
 WHERE (team, route, inbox) >= (?, ?, ? + 1) ORDER BY team, route, inbox, state LIMIT 1`

// Destinations implements spool.Store.
func (r *Reader) Destinations(ctx context.Context) ([]spool.Destination, error) {
	return destinationsOf(ctx, r.db)
}

// destinationsOf returns the destinations of open requests.
func destinationsOf(ctx context.Context, q queries) ([]spool.Destination, error) {
	_, pending, err := allDestinations(ctx, q)
	return pending, err
}

// allDestinations returns the destinations of all requests, and of those that are open. It jumps from one
// to the next, as sqlReady does.
func allDestinations(ctx context.Context, q queries) (all, pending []spool.Destination, err error) {
	for at := (spool.Destination{}); ; all = append(all, at) {
		var open bool
		err := q.QueryRowContext(ctx, sqlNextPlace, at.Team, at.Route, at.Inbox).
			Scan(&at.Team, &at.Route, &at.Inbox, &open)
		if errors.Is(err, sql.ErrNoRows) {
			return all, pending, nil
		}
		if err != nil {
			return nil, nil, classify(err)
		}
		if open {
			pending = append(pending, at)
		}
	}
}

// pendingAt returns the destinations of open requests of a team, one of its routes, or what a route has
// for one inbox.
func (r *Reader) pendingAt(ctx context.Context, at spool.Destination) ([]spool.Destination, error) {
	places, err := r.Destinations(ctx)
	isElsewhere := func(d spool.Destination) bool {
		return d.Team != at.Team || at.Route != "" && d.Route != at.Route || at.Inbox != 0 && d.Inbox != at.Inbox
	}
	return slices.DeleteFunc(places, isElsewhere), err
}

const sqlSendable = `SELECT 1 FROM request WHERE team = ? AND route = ? AND inbox = ? AND ` + isSendable + ` LIMIT 1`

// Sendable implements spool.Store.
func (r *Reader) Sendable(ctx context.Context, team string) (all []spool.Destination, err error) {
	places, err := r.pendingAt(ctx, spool.Destination{Team: team})
	for _, at := range places {
		found, err := numbers(ctx, r.db, sqlSendable, at.Team, at.Route, at.Inbox)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			all = append(all, at)
		}
	}
	return all, err
}

const (
	sqlOpen   = `SELECT COALESCE(sum(n), 0) FROM counter WHERE ` + isOpen
	sqlOldest = `
SELECT r.id, m.accepted FROM request r INDEXED BY request_place JOIN message m ON m.id = r.message
 WHERE r.team = ? AND r.route = ? AND r.inbox = ? AND r.state = ? ORDER BY r.id LIMIT 1`
)

// Backlog implements spool.Store.
func (r *Reader) Backlog(ctx context.Context) (waiting int, oldest time.Time, err error) {
	if err := r.db.QueryRowContext(ctx, sqlOpen).Scan(&waiting); err != nil {
		return 0, oldest, classify(err)
	}
	_, oldest, err = r.oldest(ctx)
	return waiting, oldest, err
}

// oldest returns the request that has been pending longest, and when it was accepted; 0 if
// none is pending.
func (r *Reader) oldest(ctx context.Context) (request int64, since time.Time, err error) {
	tx, err := r.db.BeginTx(ctx, nil) // one moment, or a request could change its state unseen
	if err != nil {
		return 0, since, classify(err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	places, err := destinationsOf(ctx, tx)
	if err != nil {
		return 0, since, err
	}
	for _, at := range places {
		for state := spool.Queued; state.Open(); state++ {
			var id, accepted int64
			err := tx.QueryRowContext(ctx, sqlOldest, at.Team, at.Route, at.Inbox, state).Scan(&id, &accepted)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return 0, since, classify(err)
			}
			t := moment(accepted)
			older := t.Before(since) || t.Equal(since) && id < request
			if request == 0 || older {
				request, since = id, t
			}
		}
	}
	return request, since, nil
}
