package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"

	"heyrelay/internal/spool"
)

// The statements below find numbers of requests by an index that has them in order, those
// between two others, newest first. ascending turns them round.
const (
	between = `id > ? AND id < ? ORDER BY id DESC LIMIT ?`

	sqlEvery       = `SELECT id FROM request WHERE ` + between
	sqlOfPlace     = `SELECT id FROM request WHERE team = ? AND route = ? AND inbox = ? AND state = ? AND ` + between
	sqlHeldInLanes = `SELECT id FROM request WHERE hold <> '' AND ` + isQueued + ` AND ` + between
	sqlOfConvo     = `SELECT id FROM request WHERE convo_id = ? AND convo_id <> 0 AND ` + between
	sqlInConvo     = `SELECT id FROM request WHERE conversation = ? AND ` + between
	sqlOfTerm      = `SELECT r.id FROM term t JOIN request r ON r.message = t.message
 WHERE t.key = ? AND t.message BETWEEN ? AND ? AND r.id > ? AND r.id < ? ORDER BY t.message DESC, r.id DESC LIMIT ?`
	sqlUntermed  = `SELECT id FROM request WHERE id > ? AND ` + between
	sqlOfMessage = `
SELECT r.id FROM message m JOIN request r ON r.message = m.id
 WHERE m.queue_id = ? AND r.id > ? AND r.id < ? ORDER BY r.id DESC LIMIT ?`
)

// ascending turns a statement round.
func ascending(query string) string { return strings.ReplaceAll(query, " DESC", "") }

// source is where a search finds numbers, in order.
type source struct {
	query   string
	args    []any // before those of between
	pending []int64
	ended   bool
}

const (
	sqlConvoTeams = `SELECT team FROM conversation WHERE convo_id <> 0 AND team > ? ORDER BY team LIMIT 1`
	sqlConvos     = `SELECT id FROM conversation WHERE team = ? AND convo_id = ? AND convo_id <> 0`

	// The first message that was accepted at a time or later, and the last before it. After the
	// clock was set back, messages of two times stand side by side: the first or last of many.
	sqlSince = `
SELECT min(id) FROM (SELECT id FROM message WHERE accepted >= ? ORDER BY accepted, id LIMIT 1000)`
	sqlBefore = `
SELECT max(id) FROM (SELECT id FROM message WHERE accepted < ? ORDER BY accepted DESC, id DESC LIMIT 1000)`

	sqlFirstOf    = `SELECT min(id) FROM request WHERE message = ?`
	sqlLastOf     = `SELECT max(id) FROM request WHERE message = ?`
	sqlLastTermed = `
SELECT id FROM request WHERE message <= (SELECT message FROM terms_of) ORDER BY message DESC, id DESC LIMIT 1`
	sqlMessageAt = `SELECT message FROM request WHERE id <= ? ORDER BY id DESC LIMIT 1`
)

// more reads the next n numbers of a source that lie between the bounds.
func (s *search) more(o *source, n int) error {
	query := o.query
	if s.upward {
		query = ascending(query)
	}
	ids, err := numbers(s.ctx, s.q, query, append(slices.Clone(o.args), s.low, s.high, n)...)
	if err != nil {
		return err
	}
	o.pending = ids
	o.ended = len(ids) < n
	return nil
}

// numbers returns what a query finds.
func numbers(ctx context.Context, q queries, query string, args ...any) (ids []int64, err error) {
	err = eachRow(ctx, q, query, args, func(row scanner) error {
		var id int64
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// places returns where requests that match can be found, the narrowest that there are. What they
// find must be compared: they follow one condition of the filter, or a few.
func (s *search) places() ([]*source, error) {
	f := &s.filter
	switch {
	case len(f.QueueIDs) > 0:
		return s.ofMessages()
	case f.LocalID != "":
		return s.ofTerm(term(ofLocalID, f.LocalID))
	case f.MessageID != "":
		return s.ofTerm(term(ofMessageID, plainID(f.MessageID)))
	case f.ConvoID != 0:
		return s.ofConvo()
	case f.Recipient != "":
		return s.ofTerm(term(ofRecipient, f.Recipient))
	case f.Route != "" || f.Team != "" || len(f.States) > 0:
		return s.ofStates()
	}
	return []*source{{query: sqlEvery}}, nil
}

func (s *search) ofMessages() (all []*source, err error) {
	for _, id := range s.filter.QueueIDs {
		all = append(all, &source{query: sqlOfMessage, args: []any{id}})
	}
	return all, nil
}

// ofTerm finds messages by a term, and all that have no terms yet. The messages that the requests between
// the bounds belong to lie between bounds, too: both are numbered in the order accepted.
func (s *search) ofTerm(key int64) ([]*source, error) {
	var termed int64 // looked at first: what gets its terms meanwhile is found twice, and taken once
	if err := s.number(&termed, sqlLastTermed); err != nil {
		return nil, err
	}
	first, last := int64(0), int64(math.MaxInt64)
	if s.low > 0 {
		if err := s.number(&first, sqlMessageAt, s.low); err != nil {
			return nil, err
		}
	}
	if s.high < math.MaxInt64 {
		if err := s.number(&last, sqlMessageAt, s.high); err != nil {
			return nil, err
		}
	}
	return []*source{
		{query: sqlOfTerm, args: []any{key, first, last}},
		{query: sqlUntermed, args: []any{termed}},
	}, nil
}

// ofConvo finds requests that were answered with a convo_id, and those of the conversation that
// has it.
func (s *search) ofConvo() ([]*source, error) {
	all := []*source{{query: sqlOfConvo, args: []any{s.filter.ConvoID}}}
	teams, err := teamsOf(s.ctx, s.q, sqlConvoTeams)
	if err != nil {
		return nil, err
	}
	for _, team := range teams {
		found, err := numbers(s.ctx, s.q, sqlConvos, team, s.filter.ConvoID)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			all = append(all, &source{query: sqlInConvo, args: []any{id}})
		}
	}
	return all, nil
}

// teamsOf returns the teams that query finds, one after the other.
func teamsOf(ctx context.Context, q queries, query string) (all []string, err error) {
	for team := ""; ; {
		err := q.QueryRowContext(ctx, query, team).Scan(&team)
		if errors.Is(err, sql.ErrNoRows) {
			return all, nil
		}
		if err != nil {
			return nil, classify(err)
		}
		all = append(all, team)
	}
}

// ofStates finds requests by destination and state. Those that a hold keeps back are stored in
// other states than they are shown in.
func (s *search) ofStates() (all []*source, err error) {
	stored := s.stored()
	if slices.Contains(stored, spool.Held) && !slices.Contains(stored, spool.Queued) {
		all = append(all, &source{query: sqlHeldInLanes})
	}
	places, _, err := allDestinations(s.ctx, s.q)
	if err != nil {
		return nil, err
	}
	for _, at := range places {
		if s.filter.Team != "" && at.Team != s.filter.Team || s.filter.Route != "" && at.Route != s.filter.Route {
			continue
		}
		for _, state := range stored {
			all = append(all, &source{query: sqlOfPlace, args: []any{at.Team, at.Route, at.Inbox, state}})
		}
	}
	return all, nil
}

// stored returns the states in which those that are wanted can be stored.
func (s *search) stored() []spool.State {
	f := &s.filter
	if len(f.States) == 0 {
		return []spool.State{
			spool.Queued, spool.Ready, spool.Deferred, spool.Active, spool.Held,
			spool.Sent, spool.Flagged, spool.Failed, spool.Dropped, spool.Shadowed,
		}
	}
	states := slices.Clone(f.States)
	concerned := func(h spool.Hold) bool {
		return (f.Team == "" || h.Team == f.Team) && (f.Route == "" || h.Route == "" || h.Route == f.Route)
	}
	if slices.Contains(states, spool.Held) && slices.ContainsFunc(s.holds, concerned) {
		states = append(states, spool.Queued, spool.Ready, spool.Deferred)
	}
	slices.Sort(states)
	return slices.Compact(states)
}
