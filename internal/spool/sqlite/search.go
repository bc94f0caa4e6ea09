package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// What one page of a search costs at most: requests that are read whole, and those of which only
// title and time are.
const (
	examined = 1000
	glanced  = 8000
)

// A search reads requests in batches; each is larger than the one before.
const (
	firstBatch = 128
	lastBatch  = 512
)

// leastRead is how many numbers of a source are read at once, or more where there are few sources.
const leastRead = 16

const (
	sqlFound = `
SELECT ` + entryColumns + `, m.message_id
  FROM json_each(?) j CROSS JOIN request r ON r.id = j.value
  JOIN message m ON m.id = r.message JOIN conversation c ON c.id = r.conversation`

	sqlGlance = `
SELECT r.id, m.title, m.accepted
  FROM json_each(?) j CROSS JOIN request r ON r.id = j.value JOIN message m ON m.id = r.message`
)

// search is one walk through the requests that may match.
type search struct {
	ctx       context.Context
	q         queries
	filter    spool.Filter
	holds     []spool.Hold
	upward    bool  // from old to new
	low, high int64 // numbers between which requests are looked for
	sources   []*source
	last      int64 // number that was looked at last
	full      int   // requests that were read whole
	glances   int   // requests of which title and time were read
}

func newSearch(ctx context.Context, q queries, f spool.Filter) (*search, error) {
	s := &search{ctx: ctx, q: q, filter: f, upward: isUpward(f), low: f.Newer, high: math.MaxInt64}
	if f.Older != 0 {
		s.high = f.Older
	}
	if err := s.known(); err != nil {
		return nil, err
	}
	var err error
	s.holds, err = holdsOf(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := s.narrow(); err != nil {
		return nil, err
	}
	s.sources, err = s.places()
	return s, err
}

// isUpward reports whether a list is looked for from old to new.
func isUpward(f spool.Filter) bool { return f.OldestFirst || f.Newer != 0 }

// limitOf is how many entries a list has at most, where a filter says limit.
func limitOf(limit int) int {
	if limit <= 0 {
		return 100
	}
	return limit
}

// known returns ErrNotFound for a queue id that there is not.
func (s *search) known() error {
	for _, id := range s.filter.QueueIDs {
		found, err := numbers(s.ctx, s.q, sqlByQueueID, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("%w: %s", spool.ErrNotFound, id)
		}
	}
	return nil
}

// slack is how much later a message can be stored than another one that was accepted after it.
const slack = time.Minute

// narrow brings the bounds nearer, by the times of the filter.
func (s *search) narrow() error {
	if !s.filter.Since.IsZero() {
		first := int64(math.MaxInt64)
		if err := s.request(&first, sqlSince, sqlFirstOf, s.filter.Since.Add(-slack)); err != nil {
			return err
		}
		s.low = max(s.low, first-1)
	}
	if !s.filter.Before.IsZero() {
		last := int64(0)
		if err := s.request(&last, sqlBefore, sqlLastOf, s.filter.Before.Add(slack)); err != nil {
			return err
		}
		s.high = min(s.high, last+1)
	}
	return nil
}

// request finds a message by a time, and sets to to a request of it. Without one, to stays.
func (s *search) request(to *int64, message, request string, at time.Time) error {
	found := int64(0)
	if err := s.number(&found, message, stamp(at)); err != nil || found == 0 {
		return err
	}
	return s.number(to, request, found)
}

// number sets to to what a query finds; without a row or with NULL, it stays.
func (s *search) number(to *int64, query string, args ...any) error {
	var n sql.NullInt64
	err := s.q.QueryRowContext(s.ctx, query, args...).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil && n.Valid {
		*to = n.Int64
	}
	return classify(err)
}

// next returns up to n numbers of requests that may match, in order; fewer at the end.
func (s *search) next(n int) (ids []int64, err error) {
	for len(ids) < n {
		id, ok, err := s.first(n)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		ids = append(ids, id)
		s.pass(id)
	}
	return ids, nil
}

// first returns the next number of all sources.
func (s *search) first(n int) (id int64, ok bool, err error) {
	n = max(leastRead, n/max(1, len(s.sources)))
	for _, source := range s.sources {
		if len(source.pending) == 0 && !source.ended {
			if err := s.more(source, n); err != nil {
				return 0, false, err
			}
		}
		if len(source.pending) == 0 {
			continue
		}
		candidate := source.pending[0]
		if !ok || (candidate < id) == s.upward {
			id = candidate
			ok = true
		}
	}
	return id, ok, nil
}

// pass takes a number from each source that begins with it, and goes beyond it.
func (s *search) pass(id int64) {
	for _, source := range s.sources {
		if len(source.pending) > 0 && source.pending[0] == id {
			source.pending = source.pending[1:]
		}
	}
	if s.upward {
		s.low = id
	} else {
		s.high = id
	}
}

// page collects what matches, up to the filter's limit or until enough was read.
func (s *search) page() (page spool.Page, err error) {
	batch := firstBatch
	for len(page.Entries) < s.filter.Limit && s.full < examined && s.glances < glanced {
		ids, err := s.next(batch)
		if err != nil {
			return page, err
		}
		found, err := s.matching(ids)
		if err != nil {
			return page, err
		}
		if rest := s.filter.Limit - len(page.Entries); len(found) > rest {
			found = found[:rest]
			page.More = true
			s.last = found[rest-1].Number
		} else if len(ids) > 0 {
			s.last = ids[len(ids)-1]
		}
		page.Entries = append(page.Entries, found...)
		if len(ids) < batch {
			return s.bounded(page)
		}
		batch = min(2*batch, lastBatch)
	}
	if !page.More {
		_, page.More, err = s.first(1)
	}
	if err != nil {
		return page, err
	}
	return s.bounded(page)
}

// bounded sets the numbers with which a page goes on, and the order of its entries.
func (s *search) bounded(page spool.Page) (spool.Page, error) {
	entries := page.Entries
	if s.upward {
		entries = slices.Clone(entries)
		slices.Reverse(entries)
		if !s.filter.OldestFirst {
			page.Entries = entries
		}
	}
	page.Older, page.Newer = s.filter.Older, s.filter.Newer
	if len(entries) > 0 {
		page.Newer = entries[0].Number
		page.Older = entries[len(entries)-1].Number
	}
	switch {
	case s.upward && page.More:
		page.Newer = s.last
	case !s.upward && page.More:
		page.Older = s.last
	case !s.upward:
		page.Older = 0
	}
	if page.Newer == 0 && s.filter.Older == 0 {
		return page, s.number(&page.Newer, sqlLast)
	}
	return page, nil
}

// matching returns those that match, in the order of ids.
func (s *search) matching(ids []int64) ([]spool.Entry, error) {
	ids, err := s.glance(ids)
	if err != nil {
		return nil, err
	}
	s.full += len(ids)
	found := make(map[int64]spool.Entry, len(ids))
	err = s.read(sqlFound, ids, func(row scanner) error {
		var e entry
		var messageIDs string
		if err := row.Scan(append(e.dest(), &messageIDs)...); err != nil {
			return err
		}
		e.complete(s.holds)
		if matches(&s.filter, e.candidate(messageIDs)) {
			found[e.Number] = e.Entry
		}
		return nil
	})
	list := make([]spool.Entry, 0, len(found))
	for _, id := range ids {
		if e, ok := found[id]; ok {
			list = append(list, e)
		}
	}
	return list, err
}

// glance leaves out what does not match by title or time, if the filter has one.
func (s *search) glance(ids []int64) (rest []int64, err error) {
	f := &s.filter
	if f.Subject == "" && f.Since.IsZero() && f.Before.IsZero() {
		return ids, nil
	}
	s.glances += len(ids)
	keep := make(map[int64]bool, len(ids))
	err = s.read(sqlGlance, ids, func(row scanner) error {
		var id, accepted int64
		var title string
		err := row.Scan(&id, &title, &accepted)
		keep[id] = inWindow(f, moment(accepted)) && hasSubject(f, title)
		return err
	})
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return !keep[id] }), err
}

// read runs a statement on numbers.
func (s *search) read(query string, ids []int64, scan func(scanner) error) error {
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return eachRow(s.ctx, s.q, query, []any{string(list)}, scan)
}

// Search implements spool.Reader.
func (r *Reader) Search(ctx context.Context, f spool.Filter) (page spool.Page, err error) {
	f.Limit = limitOf(f.Limit)
	err = r.search(ctx, f, func(s *search) (err error) {
		page, err = s.page()
		return err
	})
	return page, err
}

// search runs use with a search that sees the spool at one moment.
func (r *Reader) search(ctx context.Context, f spool.Filter, use func(*search) error) (err error) {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return classify(err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	s, err := newSearch(ctx, tx, f)
	if err != nil {
		return err
	}
	return use(s)
}

// List implements spool.Reader. Each page is a transaction of its own: one that lasts keeps the
// log from being truncated.
func (r *Reader) List(ctx context.Context, f spool.Filter) (list []spool.Entry, err error) {
	limit, upward := limitOf(f.Limit), isUpward(f)
	for {
		f.Limit = limit - len(list)
		page, err := r.Search(ctx, f)
		if err != nil {
			return nil, err
		}
		if upward && !f.OldestFirst {
			list = append(page.Entries, list...)
		} else {
			list = append(list, page.Entries...)
		}
		if !page.More || len(list) >= limit {
			return list, nil
		}
		if upward {
			f.Newer = page.Newer
		} else {
			f.Older = page.Older
		}
	}
}

// Count implements spool.Reader.
func (r *Reader) Count(ctx context.Context, f spool.Filter) (n int, err error) {
	f.Older, f.Newer, f.OldestFirst = 0, 0, false
	exact := false
	err = r.search(ctx, f, func(s *search) (err error) {
		exact = s.exact()
		if exact {
			n, err = s.sum()
		}
		return err
	})
	if exact || err != nil {
		return n, err
	}
	all, err := r.matchingNumbers(ctx, f)
	return len(all), err
}

// exact reports whether the sources have nothing but what matches, each in one of them.
func (s *search) exact() bool {
	f := &s.filter
	narrower := f.QueueIDs != nil || f.Recipient != "" || f.MessageID != "" || f.LocalID != "" || f.ConvoID != 0 ||
		f.Subject != "" || !f.Since.IsZero() || !f.Before.IsZero()
	if narrower || f.Route != "" && f.Team != "" {
		return false
	}
	shifting := []spool.State{spool.Queued, spool.Ready, spool.Deferred, spool.Held} // what a hold changes
	n := 0
	for _, state := range shifting {
		if slices.Contains(f.States, state) {
			n++
		}
	}
	return n == 0 || n == len(shifting)
}

// sum counts what the sources have.
func (s *search) sum() (total int, err error) {
	for _, source := range s.sources {
		count := strings.Replace(source.query, "SELECT id", "SELECT count(*)", 1)
		count = strings.TrimSuffix(count, " ORDER BY id DESC LIMIT ?")
		var n int
		args := append(slices.Clone(source.args), s.low, s.high)
		if err := s.q.QueryRowContext(s.ctx, count, args...).Scan(&n); err != nil {
			return 0, classify(err)
		}
		total += n
	}
	return total, nil
}

// matchingNumbers returns the numbers of all requests that match, oldest first. Each page of a search looks at all
// queue ids that a filter names: many are looked for one part after the other.
func (r *Reader) matchingNumbers(ctx context.Context, f spool.Filter) (all []int64, err error) {
	if len(f.QueueIDs) <= examined {
		return r.numbersOf(ctx, f)
	}
	for some := range slices.Chunk(f.QueueIDs, examined) {
		f.QueueIDs = some
		found, err := r.numbersOf(ctx, f)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// numbersOf is matchingNumbers for few queue ids. It reads in steps: a transaction that lasts keeps the log from
// being truncated.
func (r *Reader) numbersOf(ctx context.Context, f spool.Filter) (all []int64, err error) {
	f.Older, f.Newer, f.OldestFirst = 0, 0, true
	f.Limit = examined
	for {
		err := r.search(ctx, f, func(s *search) error {
			some, newer, err := s.numbers()
			all = append(all, some...)
			f.Newer = newer
			return err
		})
		if err != nil {
			return nil, err
		}
		if f.Newer == 0 {
			return all, nil
		}
	}
}

// numbers returns the next numbers of requests that match, and behind which number there may be more, or 0. It reads
// no request where the sources have nothing but what matches.
func (s *search) numbers() (ids []int64, newer int64, err error) {
	if s.exact() {
		ids, err = s.next(glanced)
		if len(ids) == glanced {
			newer = s.low
		}
		return ids, newer, err
	}
	page, err := s.page()
	for _, e := range page.Entries {
		ids = append(ids, e.Number)
	}
	if page.More {
		newer = page.Newer
	}
	return ids, newer, err
}
