package spooltest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// compare compares every request with the model.
func (r *run) compare() {
	if err := r.Check(r.Context()); err != nil {
		r.Errorf("Check: %v", err)
	}
	r.compareHolds()
	r.destinations(r.model.destinations()...)
	r.compareStats()
	r.compareOldest()
	r.compareSearch()
	r.compareFiles()
	r.compareNotices()
	for _, m := range r.model.messages {
		r.compareContent(m)
		s, err := r.Show(r.Context(), m.QueueID)
		if err != nil {
			r.Fatalf("Show %s: %v", m.QueueID, err)
		}
		if s.Title != m.Title || !slices.Equal(s.MessageIDs, m.MessageIDs) || s.Team != m.Team {
			r.Errorf("%s is %+v, want %+v", m.QueueID, s, m.Message)
		}
		if len(s.Requests) != len(m.requests) {
			r.Errorf("%s has %d requests, want %d", m.QueueID, len(s.Requests), len(m.requests))
			continue
		}
		for i, q := range m.requests {
			r.compareRequest(q, s.Requests[i])
		}
		r.compareStatuses(m)
	}
	for _, c := range r.model.convs {
		r.compareConversation(c)
	}
}

// compareStatuses holds what Wait returns against the model.
func (r *run) compareStatuses(m *modelMessage) {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	var want []spool.RequestStatus
	for _, q := range m.requests {
		s := spool.RequestStatus{
			State: q.state, Unknown: q.unknown, ConvoID: q.answer.ConvoID, MessageID: q.answer.MessageID,
		}
		if len(q.tries) > 0 {
			last := q.tries[len(q.tries)-1]
			s.Status, s.APIID, s.Reason = last.Status, last.APIID, last.Reason
		}
		want = append(want, s)
	}
	if got, err := r.Wait(ctx, m.QueueID); !reflect.DeepEqual(got, want) || err != nil {
		r.Errorf("Wait for %s: %+v (%v), want %+v", m.QueueID, got, err, want)
	}
}

// compareConversation holds a page of a conversation against the model.
func (r *run) compareConversation(c *modelConv) {
	r.Helper()
	id := r.numbers[c]
	if id == 0 { // all its messages were deleted before they were looked at
		return
	}
	var want []string
	for _, m := range slices.Backward(r.model.messages) {
		for _, q := range slices.Backward(m.requests) {
			if q.conv == c {
				want = append(want, q.LocalID)
			}
		}
	}
	got, letters, err := r.Conversation(r.Context(), id, 0, 1_000_000)
	var ids []string
	for _, l := range letters {
		ids = append(ids, l.LocalID)
	}
	record := spool.Conversation{
		ID: id, Team: c.team, Inbox: c.inbox, Participants: strings.Fields(c.participants), ConvoID: c.convo,
		Title: c.title, LastUsed: c.lastUsed,
	}
	if !slices.Equal(ids, want) || !reflect.DeepEqual(got, record) || err != nil {
		r.Errorf("conversation %+v of %v (%v), want %+v of %v", got, ids, err, record, want)
	}
}

// compareOldest holds the number of open requests, and the oldest, against the model. Where the clock was set
// back between them, nobody can say which that is.
func (r *run) compareOldest() {
	r.Helper()
	open := r.model.choose(spool.Filter{States: spool.OpenStates()})
	n, since, err := r.Backlog(r.Context())
	e, found, oldestErr := r.operator.Oldest(r.Context())
	if n != len(open) || found != (n > 0) || err != nil || oldestErr != nil {
		r.Errorf("the backlog is %d, the oldest %+v (%v, %v), want %d", n, e, err, oldestErr, len(open))
	}
	before := func(a, b *modelRequest) int { return a.message.Accepted.Compare(b.message.Accepted) }
	if n == 0 || !slices.IsSortedFunc(open, before) {
		return
	}
	if want := open[0]; !since.Equal(want.message.Accepted) || e.LocalID != want.LocalID {
		r.Errorf("the oldest is %s of %v, want %s of %v", e.LocalID, since, want.LocalID, want.message.Accepted)
	}
}

// compareContent holds what is kept of a message against the model.
func (r *run) compareContent(m *modelMessage) {
	r.Helper()
	got, err := r.Content(r.Context(), m.QueueID)
	if m.emptied {
		if !errors.Is(err, spool.ErrNotFound) {
			r.Errorf("the content of %s: %+v (%v), want none", m.QueueID, got, err)
		}
		return
	}
	if err != nil || got.HTML != m.HTML || got.Text != m.Text || !bytes.Equal(got.Raw, m.Raw) {
		r.Errorf("the content of %s: %+v (%v), want that of %+v", m.QueueID, got, err, m.Message)
	}
}

func (r *run) compareHolds() {
	var want []spool.Hold
	for _, h := range r.model.holds {
		if h.held {
			want = append(want, h.Hold)
		}
	}
	slices.SortFunc(want, func(a, b spool.Hold) int { return comparePlaces(a.Destination(), b.Destination()) })
	if got, err := r.Holds(r.Context()); !reflect.DeepEqual(got, want) || err != nil {
		r.Errorf("Holds: %+v (%v), want %+v", got, err, want)
	}
}

// compareStats holds the ledger, and what each hold keeps back, against the model.
func (r *run) compareStats() {
	if got, err := r.operator.Stats(r.Context()); !reflect.DeepEqual(got, r.model.stats()) || err != nil {
		r.Errorf("Stats: %+v (%v), want %+v", got, err, r.model.stats())
	}
	all, err := r.operator.Kept(r.Context())
	got := map[spool.Destination]int{}
	for _, k := range all {
		got[k.Destination()] += k.Requests
	}
	if !maps.Equal(got, r.model.kept()) || err != nil {
		r.Errorf("Kept: %v (%v), want %v", got, err, r.model.kept())
	}
}

// compareSearch holds what is found by indexes to what a look at everything finds.
func (r *run) compareSearch() {
	r.Helper()
	if len(r.model.messages) == 0 {
		return
	}
	for range 20 {
		filter := r.filter()
		if r.rand.IntN(2) == 0 {
			filter.Since = time.Time{}
		}
		if r.rand.IntN(4) == 0 {
			filter.Before = pick(r.rand, r.model.messages).Accepted
		}
		var want []string
		for _, q := range r.model.choose(filter) {
			want = append(want, q.LocalID)
		}
		slices.Reverse(want)
		r.counts(filter, len(want))
		filter.Limit = 1_000_000
		var got []string
		for _, e := range r.entries(filter) {
			got = append(got, e.LocalID)
		}
		if !slices.Equal(got, want) {
			r.Errorf("%+v finds\n%v, want\n%v", filter, got, want)
		}
	}
}

// compareFiles holds attachments, garbage and links against the model.
func (r *run) compareFiles() {
	files := &r.model.files
	page, err := r.Attachments(r.Context(), spool.AttachmentFilter{Limit: 1_000_000})
	if err != nil {
		r.Fatalf("Attachments: %v", err)
	}
	slices.SortFunc(page.Attachments, func(a, b spool.Attachment) int { return cmp.Compare(a.Number, b.Number) })
	if len(page.Attachments) != len(files.attached) {
		r.Fatalf("there are %d attachments, want %d", len(page.Attachments), len(files.attached))
	}
	for i, want := range files.attached {
		want.Number = page.Attachments[i].Number
		if !reflect.DeepEqual(page.Attachments[i], want.Attachment) {
			r.Errorf("attachment %d is\n%+v, want\n%+v", i, page.Attachments[i], want.Attachment)
		}
		if a, err := r.File(r.Context(), want.id); (err != nil) != want.Revoked || err == nil && a != want.Attachment {
			r.Errorf("its link leads to %+v (%v)", a, err)
		}
	}
	r.garbage(slices.Sorted(maps.Keys(files.garbage))...)
	r.fileStats(files.stats(r.now))
}

func (r *run) compareRequest(q *modelRequest, got spool.RequestDetail) {
	want := spool.RequestDetail{
		Entry:        got.Entry,
		Priority:     q.Priority.String(),
		Conversation: r.number(q.conv, got.Conversation),
		Joined:       q.joined >= 0,
		Tries:        q.tries,
	}
	want.Title, want.Route, want.Smarthost = q.message.Title, q.route, q.message.Smarthost
	if !slices.Equal(got.To, q.To) || !slices.Equal(got.Cc, q.Cc) {
		r.Errorf("%s is to %v and %v, want %v and %v", q.LocalID, got.To, got.Cc, q.To, q.Cc)
	}
	if q.joined >= 0 && !q.forgotten {
		want.By = q.LookupNames[q.joined]
	}
	state, hold := r.model.shown(q)
	accepted := state == spool.Sent || state == spool.Flagged
	want.State, want.Unknown = state.String(), q.unknown && (!accepted || q.message.Smarthost)
	want.Attempts, want.Due = len(q.tries), time.Time{}
	if state == spool.Deferred {
		want.Due = q.due
	}
	want.HoldLevel, want.Hold = "", hold
	if hold != nil {
		want.HoldLevel = hold.Level()
	}
	want.MessageID, want.ConvoID = q.answer.MessageID, q.convo()
	if q.state == spool.Shadowed {
		want.Opener = got.Opener
	}
	if len(want.Tries) == 0 {
		want.Tries = nil
	}
	if !reflect.DeepEqual(got, want) {
		r.Errorf("the details of %s are\n%+v, want\n%+v", q.LocalID, got, want)
	}
}

// number is the store's number of a conversation, which must always be the same
// one, and no other conversation's.
func (r *run) number(c *modelConv, got int64) int64 {
	if r.numbers[c] == 0 && r.taken[got] == nil {
		r.numbers[c], r.taken[got] = got, c
	}
	return r.numbers[c]
}
