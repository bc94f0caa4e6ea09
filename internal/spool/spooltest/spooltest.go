// Package spooltest is one suite for every store of the spool.
//
// [Run] holds a store to what package spool promises: each verb and each rule in
// a subtest of its own, named after its case where it has one; a random run that
// compares the store, step by step, with a model of maps and slices; and many
// producers and claimers at once. Each test ends with the store's Check.
package spooltest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// Spool is what a store has to offer.
type Spool interface {
	spool.Store
	spool.Reader
}

// Opener opens the spool of a place, which is the name of an empty folder. Opened
// again after its Close, it holds what it held. now is its clock. It fails the test where it
// cannot.
type Opener func(t testing.TB, place string, now func() time.Time) Spool

// Operate opens the operator's side of the spool of a place, beside the Spool
// that is open there.
type Operate func(t testing.TB, place string) spool.Operator

// Backup makes a backup of the spool of a place, as it is now, in another place, as the spool there.
// It fails the test where it cannot.
type Backup func(t testing.TB, from, to string, now time.Time)

// Random says which random run is made.
type Random struct {
	Seed uint64 // 0 for a new one each time, which is printed
	Ops  int    // how many operations; 0: 4,000
}

// Run runs the suite.
func Run(t *testing.T, open Opener, operate Operate, backup Backup, random Random) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"Threads", threadCases},
		{"Named", namedCases},
		{"Repeats", repeatCases},
		{"Accept", acceptCases},
		{"Claim", claimCases},
		{"Standing", standingCases},
		{"Finish", finishCases},
		{"Outcome", outcomeCases},
		{"Hold", slices.Concat(holdCases, pendingCases)},
		{"StepAside", asideCases},
		{"Kept", keptCases},
		{"Notice", noticeCases},
		{"Wait", waitCases},
		{"Operator", operatorCases},
		{"Prune", pruneCases},
		{"Files", fileCases},
		{"Life", lifeCases},
		{"Read", readCases},
		{"Search", searchCases},
		{"Inspect", inspectCases},
		{"ThreadPage", threadPageCases},
		{"Shadow", shadowCases},
		{"Smarthost", smarthostCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) { c.run(newFixture(t, open, operate)) })
			}
		})
	}
	t.Run("Together", func(t *testing.T) { together(newFixture(t, open, operate)) })
	t.Run("Random", func(t *testing.T) { randomRun(t, open, operate, backup, random) })
}

// testCase is one rule.
type testCase struct {
	name string
	run  func(f *fixture)
}

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

const (
	lease  = time.Minute
	plenty = 60_000_000 // calls a minute, so that no budget stands in the way
)

// fixture is an open spool, a clock, and short words for what tests do.
type fixture struct {
	*testing.T
	Spool
	open     Opener
	operate  Operate
	place    string
	operator spool.Operator
	now      time.Time
	n        int // letters written
}

func newFixture(t *testing.T, open Opener, operate Operate) *fixture {
	f := &fixture{T: t, open: open, operate: operate, place: t.TempDir(), now: epoch}
	f.Spool = open(t, f.place, f.clock)
	f.operator = operate(t, f.place)
	t.Cleanup(f.end)
	return f
}

func (f *fixture) clock() time.Time { return f.now }

func (f *fixture) end() {
	if err := f.Check(context.Background()); err != nil {
		f.Errorf("Check: %v", err)
	}
	if err := errors.Join(f.operator.Close(), f.Close()); err != nil {
		f.Errorf("Close: %v", err)
	}
}

// reopen closes the spool and opens it again, as a restart does. What was
// claimed is lost in every store when its lease has run out.
func (f *fixture) reopen() {
	f.Helper()
	if err := f.Close(); err != nil {
		f.Fatalf("Close: %v", err)
	}
	f.Spool = f.open(f.T, f.place, f.clock)
}

// letter is a message in few words. Zero fields have the values in brackets.
type letter struct {
	id       string   // its Message-ID [none]
	cites    []string // the ids it cites, best first
	to       []string // visible recipients ["alice"]
	convo    int64    // the conversation named for them [none]
	blind    []string // one request more for each
	body     string   // ["body"]
	route    string   // ["support"]
	team     string   // ["shop"]
	inbox    int64    // [202]
	subject  string   // ["Hello"]
	line     spool.SubjectLine
	priority spool.Priority // High: the zero value
	window   time.Duration  // within which an equal one is the same
	weak     bool
	key      string // of the application: it stands for the message [none]
	auto     bool   // an automatic reply
}

// write makes a message out of a letter.
func (f *fixture) write(l letter) *spool.Message {
	f.n++
	l.fill()
	m := &spool.Message{
		QueueID:         fmt.Sprintf("Q%d", f.n),
		Accepted:        f.now,
		Client:          "10.0.0.1",
		Sender:          "app@example.com",
		Route:           l.route,
		Team:            l.team,
		Inbox:           l.inbox,
		Title:           l.subject,
		BaseSubject:     strings.ToLower(l.subject),
		HTML:            "<p>" + l.body + "</p>",
		SubjectOffset:   3,
		Text:            l.body,
		Raw:             []byte("Subject: " + l.subject + "\r\n\r\n" + l.body),
		WeakFingerprint: l.weak,
		AutoReplied:     l.auto,
	}
	m.Fingerprint = sha256.Sum256(
		fmt.Appendf(nil, "%s %d %q %q %q %q %q", l.team, l.inbox, l.to, l.blind, l.id, l.subject, l.body),
	)
	if l.id != "" {
		m.MessageIDs = []string{l.id + "@example.com"}
	}
	if l.key != "" {
		m.ContentDigest = sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", l.to, l.blind, l.subject, l.body))
		m.Fingerprint = sha256.Sum256(fmt.Appendf(nil, "key %s %d %q", l.team, l.inbox, l.key))
	}
	if l.window > 0 {
		m.DuplicateSince = f.now.Add(-l.window)
	}
	m.Requests = append(m.Requests, f.request(l, l.to))
	if l.convo != 0 {
		m.Requests[0].ConvoID, m.Requests[0].LookupNames = l.convo, []string{fmt.Sprintf("names %d", l.convo)}
	}
	for _, b := range l.blind {
		m.Requests = append(m.Requests, f.request(l, []string{b}))
	}
	for i := range m.Requests {
		m.Requests[i].LocalID = fmt.Sprintf("%s-%d", m.QueueID, i)
	}
	return m
}

func (l *letter) fill() {
	if l.to == nil {
		l.to = []string{"alice"}
	}
	if l.body == "" {
		l.body = "body"
	}
	if l.route == "" {
		l.route = "support"
	}
	if l.team == "" {
		l.team = "shop"
	}
	if l.inbox == 0 {
		l.inbox = 202
	}
	if l.subject == "" {
		l.subject = "Hello"
	}
}

func (f *fixture) request(l letter, to []string) spool.Request {
	r := spool.Request{Priority: l.priority, Subject: l.line}
	for _, a := range to {
		r.To = append(r.To, a+"@example.com")
	}
	sorted := slices.Sorted(slices.Values(r.To))
	r.Participants = strings.Join(sorted, " ")
	for _, id := range l.cites {
		k := key(l.team, l.inbox, id, r.Participants)
		r.Lookup, r.Cited, r.LookupNames = append(r.Lookup, k), append(r.Cited, k), append(r.LookupNames, "cites "+id)
	}
	if l.id != "" {
		k := key(l.team, l.inbox, l.id, r.Participants)
		r.Lookup, r.Own, r.LookupNames = append(r.Lookup, k), append(r.Own, k), append(r.LookupNames, "is "+l.id)
	}
	return r
}

// key is made as package threading makes it: of scope, id and members.
func key(team string, inbox int64, id, members string) spool.Key {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %d %q %q", team, inbox, id, members))
	return spool.Key(h[:16])
}

// accept has the spool take a message.
func (f *fixture) accept(m *spool.Message) spool.Receipt {
	f.Helper()
	r, err := f.Accept(f.Context(), m)
	if err != nil {
		f.Fatalf("Accept %s: %v", m.QueueID, err)
	}
	return r
}

// send writes a letter and has the spool take it.
func (f *fixture) send(l letter) spool.Receipt {
	f.Helper()
	return f.accept(f.write(l))
}

// room is one without limits.
func room(team string) spool.Capacity {
	return spool.Capacity{Team: team, Rate: plenty, Free: 100, Searches: 100}
}

// claim claims what is ready, in the team "shop" where none is named.
func (f *fixture) claim(rooms ...spool.Capacity) []*spool.Task {
	f.Helper()
	tasks, _ := f.claimNext(rooms...)
	return tasks
}

func (f *fixture) claimNext(rooms ...spool.Capacity) ([]*spool.Task, time.Time) {
	f.Helper()
	if rooms == nil {
		rooms = []spool.Capacity{room("shop")}
	}
	tasks, next, err := f.Claim(f.Context(), f.now, lease, rooms...)
	if err != nil {
		f.Fatalf("Claim: %v", err)
	}
	return tasks, next
}

// claimOne claims the one request that is ready.
func (f *fixture) claimOne() *spool.Task {
	f.Helper()
	tasks := f.claim()
	if len(tasks) != 1 {
		f.Fatalf("claimed %v, want one", names(tasks))
	}
	return tasks[0]
}

// finish ends one task.
func (f *fixture) finish(o spool.Outcome) spool.Finished {
	f.Helper()
	all, err := f.Finish(f.Context(), f.now, o)
	if err != nil {
		f.Fatalf("Finish: %v", err)
	}
	if len(all) != 1 {
		f.Fatalf("Finish returned %d results for one outcome", len(all))
	}
	return all[0]
}

// done ends one task that must still be ours.
func (f *fixture) done(o spool.Outcome) spool.Finished {
	f.Helper()
	r := f.finish(o)
	if r.Err != nil {
		f.Fatalf("Finish of %s as %s: %v", o.Task.LocalID, o.State, r.Err)
	}
	return r
}

// sent ends a task as sent into the conversation convo.
func (f *fixture) sent(t *spool.Task, convo int64) spool.Finished {
	f.Helper()
	return f.done(spool.Outcome{Task: t, State: spool.Sent, ConvoID: convo, MessageID: 1000 + t.Request, Status: 200})
}

// deferTask ends a task to be tried again after d.
func (f *fixture) deferTask(t *spool.Task, d time.Duration) {
	f.Helper()
	f.done(spool.Outcome{Task: t, State: spool.Deferred, Due: f.now.Add(d), Status: 500, Reason: "server error"})
}

// detail is everything about the one request of a message.
func (f *fixture) detail(queueID string) spool.RequestDetail {
	f.Helper()
	s, err := f.Show(f.Context(), queueID)
	if err != nil {
		f.Fatalf("Show %s: %v", queueID, err)
	}
	if len(s.Requests) != 1 {
		f.Fatalf("%s has %d requests, want one", queueID, len(s.Requests))
	}
	return s.Requests[0]
}

// conversation is our number of a message's conversation.
func (f *fixture) conversation(queueID string) int64 {
	f.Helper()
	return f.detail(queueID).Conversation
}

// together fails the test unless the messages share one conversation.
func (f *fixture) together(queueIDs ...string) {
	f.Helper()
	for _, id := range queueIDs[1:] {
		if a, b := f.conversation(queueIDs[0]), f.conversation(id); a != b {
			f.Errorf("%s is in conversation %d and %s in %d, want one", queueIDs[0], a, id, b)
		}
	}
}

// apart fails the test unless the two messages are in different conversations.
func (f *fixture) apart(a, b string) {
	f.Helper()
	if c := f.conversation(a); c == f.conversation(b) {
		f.Errorf("%s and %s share conversation %d, want two", a, b, c)
	}
}

// state fails the test unless the one request of a message is in a state.
func (f *fixture) state(queueID string, want spool.State) {
	f.Helper()
	if got := f.detail(queueID).State; got != want.String() {
		f.Errorf("%s is %s, want %s", queueID, got, want)
	}
}

// names are the local ids of tasks.
func names(tasks []*spool.Task) []string {
	list := make([]string, len(tasks))
	for i, t := range tasks {
		list[i] = t.LocalID
	}
	return list
}

// queueIDs are the messages of tasks, in order, as one word.
func queueIDs(tasks []*spool.Task) string {
	list := make([]string, len(tasks))
	for i, t := range tasks {
		list[i] = t.QueueID
	}
	return strings.Join(list, " ")
}
