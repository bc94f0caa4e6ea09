package spooltest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

const (
	defaultOps  = 2500
	longOps     = 16 * defaultOps // a run so long meets everything
	compareEach = 500             // operations between two comparisons of everything
	countEach   = 50              // operations between two comparisons of how many there are
)

// randomRun does random operations on a store and on the model, and compares.
func randomRun(t *testing.T, open Opener, operate Operate, backup Backup, random Random) {
	seed := random.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	ops := random.Ops
	if ops == 0 {
		ops = defaultOps
	}
	t.Logf("seed %d", seed)
	r := newRun(t, open, operate, backup, seed)
	for i := range ops {
		r.step()
		if (i+1)%countEach == 0 {
			r.compareStats()
			r.compareOldest()
		}
		if (i+1)%compareEach == 0 {
			r.compare()
		}
		if t.Failed() {
			t.Fatalf("at operation %d of seed %d", i, seed)
		}
	}
	t.Logf("seen: %v", r.seen)
	switch rare := r.missing(); {
	case rare == "" || ops < defaultOps:
	case ops < longOps: // most runs meet it, and the next one has another seed
		t.Logf("seed %d never came to %s", seed, rare)
	default:
		t.Errorf("seed %d never came to %s: the run proves too little", seed, rare)
	}
}

// missing is something rare that the run has not met, "" where it has met everything.
func (r *run) missing() string {
	for _, rare := range rarities {
		if r.seen[rare] == 0 {
			return rare
		}
	}
	return ""
}

// rarities are what a run must have met to prove something.
var rarities = []string{
	"joined", "second key joined", "duplicate", "revived", "same id", "refused key", "refused convo",
	"named", "named again", "named foreign", "lost", "foreign", "replaced", "unclaimed", "restored",
	"clock changed", "throttled", "withdrawn", "missing",
	"unknown", "budget shut", "restart", "raised priority", "three in a lane", "reopened", "aside", "known",
	"checked", "searched", "refused",
	"probed", "probed unrefused", "stepped aside", "released", "inbox released", "looping",
	"dropped", "dropped several", "verb on many", "retried", "held", "request released", "moved", "anew",
	"shadowed", "shadowed joined", "by smarthost", "forgotten", "pruned", "emptied",
	"reported failed", "reported delayed", "reported relayed", "suppressed", "noticed again",
	"notice deleted meanwhile",
	"shared file", "repeated file", "link revoked", "object deleted",
	"handed",
	"operator takes over", "operator's stands", "operator's stays", "operator released",
}

// see counts what was met.
func (r *run) see(what string, met bool) {
	if met {
		r.seen[what]++
	}
}

// run is a random run under way.
type run struct {
	*fixture
	backup  Backup
	rand    *rand.Rand
	model   *model
	written []*spool.Message
	byLocal map[string]*modelRequest
	tasks   []*spool.Task  // claimed, and those that were lost since
	lent    []*modelNotice // that were taken, also those that were deleted since
	convos  int64          // given by the API so far
	renamed int            // local ids given anew

	numbers map[*modelConv]int64 // the store's number of a conversation
	taken   map[int64]*modelConv
	seen    map[string]int
}

func newRun(t *testing.T, open Opener, operate Operate, backup Backup, seed uint64) *run {
	return &run{
		fixture: newFixture(t, open, operate),
		backup:  backup,
		rand:    rand.New(rand.NewPCG(seed, 0)),
		model:   newModel(),
		byLocal: map[string]*modelRequest{},
		numbers: map[*modelConv]int64{},
		taken:   map[int64]*modelConv{},
		seen:    map[string]int{},
	}
}

// step does one operation. Time passes between two, and seldom runs back.
func (r *run) step() {
	r.now = r.now.Add(time.Duration(r.rand.IntN(300)) * time.Millisecond)
	r.model.now = r.now
	switch n := r.rand.IntN(1000); {
	case n < 380:
		r.accept()
	case n < 390:
		r.cleanFiles()
	case n < 395:
		r.prune()
	case n < 430:
		r.deliver()
	case n < 630:
		r.claim()
	case n < 885:
		r.finish()
	case n < 910:
		r.unclaim()
	case n < 920:
		r.confirm()
	case n < 956:
		r.model.undisturbed(r.intervene)
	case n < 974:
		r.holdOrRelease()
	case n < 982:
		r.pace()
	case n < 985:
		r.now = r.now.Add(-time.Duration(r.rand.IntN(120)) * time.Second)
	case n < 995:
		r.now = r.now.Add(time.Duration(r.rand.IntN(120)) * time.Second)
	case n < 999:
		r.restart()
	default:
		r.restore()
	}
}

func (r *run) accept() {
	m := r.letter()
	if len(r.written) > 0 && r.rand.IntN(5) == 0 {
		m = r.repeat(m)
	}
	got, err := r.Accept(r.Context(), m)
	want, refused := r.model.accept(m)
	if !reflect.DeepEqual(got, want) || !errors.Is(err, refused) {
		r.Errorf("Accept %s: %+v, %v, want %+v, %v", m.QueueID, got, err, want, refused)
	}
	if refused != nil {
		r.see("refused key", errors.Is(refused, spool.ErrKey))
		r.see("refused convo", errors.Is(refused, spool.ErrConvo))
		return
	}
	tasks, _ := r.Handed()
	n, err := r.model.handed(tasks)
	if err != nil {
		r.Errorf("Accept %s: %v", m.QueueID, err)
	}
	r.tasks = append(r.tasks, tasks...)
	r.see("handed", n > 0)
	r.see("duplicate", want.Duplicate)
	r.see("revived", want.Revived > 0)
	r.see("same id", want.SameID)
	r.see("looping", want.Looping)
	r.see("shared file", !want.Duplicate && want.Unused != nil)
	r.see("repeated file", want.Duplicate && want.Unused != nil)
	r.see("joined", slices.Contains(want.Joined, 0))
	r.see("second key joined", slices.Contains(want.Joined, 1))
	if want.Duplicate {
		return
	}
	r.written = append(r.written, m)
	for _, q := range r.model.messages[len(r.model.messages)-1].requests {
		r.byLocal[q.LocalID] = q
		r.seeNew(q)
	}
}

// repeat returns a message that was written before, or one of which a request failed, as it comes in
// place of m.
func (r *run) repeat(m *spool.Message) *spool.Message {
	old := *pick(r.rand, r.written)
	if failed := r.model.failed(); failed != nil && r.rand.IntN(2) == 0 {
		old = pick(r.rand, failed).Message
	}
	old.ReportsAfter = m.ReportsAfter
	old.QueueID, old.Accepted, old.DuplicateSince = m.QueueID, m.Accepted, r.since()
	old.Shadow, old.Files = m.Shadow, m.Files
	old.Requests = slices.Clone(old.Requests)
	for i := range old.Requests {
		old.Requests[i].LocalID = fmt.Sprintf("%s-%d", m.QueueID, i)
	}
	return &old
}

// seeNew sees what is remarkable about a request that was accepted.
func (r *run) seeNew(q *modelRequest) {
	r.see("shadowed", q.state == spool.Shadowed)
	r.see("shadowed joined", q.state == spool.Shadowed && q.joined >= 0)
	if q.state == spool.Shadowed {
		return
	}
	r.see("by smarthost", q.message.Smarthost)
	head := q.lane.open[0]
	r.see("named", q.ConvoID != 0 && q.requested == 0)
	r.see("named again", q.requested != 0 && q.joined == 0)
	r.see("three in a lane", len(q.lane.open) > 2)
	r.see("raised priority", head.class() < head.Priority)
}

func (r *run) claim() {
	rooms := r.rooms()
	tasks, next := r.claimNext(rooms...)
	if err := r.model.claim(r.now, rooms, tasks, next); err != nil {
		r.Errorf("Claim %+v: %v", rooms, err)
	}
	r.claimed(tasks, next)
}

// teams are those of the API, and what leaves by the smarthosts of routes.
var teams = []string{"shop", "bank", "smarthost:a", "smarthost:b", "smarthost:c"}

// rooms are what the teams may begin.
func (r *run) rooms() (rooms []spool.Capacity) {
	for _, team := range teams {
		rate := 600
		if r.rand.IntN(2) == 0 {
			rate = plenty
		}
		probe := time.Duration(r.rand.IntN(3)) * time.Second
		rooms = append(rooms, spool.Capacity{
			Team:     team,
			Rate:     rate,
			Free:     r.rand.IntN(4),
			High:     r.rand.IntN(3),
			Probe:    probe,
			TryHeld:  r.rand.IntN(4) == 0,
			Searches: r.rand.IntN(3),
			Lasts:    r.rand.IntN(4) > 0,
		})
	}
	return rooms
}

// claimed notes what was claimed.
func (r *run) claimed(tasks []*spool.Task, next time.Time) {
	r.tasks = append(r.tasks, tasks...)
	for _, t := range tasks {
		r.see("unknown", t.Unknown)
		r.see("probed", t.Probe)
		r.see("probed unrefused", t.Probe && t.RouteRefusedAt.IsZero())
		r.see("checked", t.Call == spool.CheckConversation)
		r.see("searched", t.Call == spool.FindMessage)
		r.see("refused", t.Refused != "")
		r.see("named foreign", t.ConvoConflict)
	}
	r.see("budget shut", len(tasks) > 0 && !next.IsZero() && next.Before(r.now.Add(time.Second)))
}

// task takes one out of what was claimed, or seldom leaves it to be ended twice.
func (r *run) task() *spool.Task {
	i := r.rand.IntN(len(r.tasks))
	t := r.tasks[i]
	if r.rand.IntN(20) > 0 {
		r.tasks = slices.Delete(r.tasks, i, i+1)
	}
	return t
}

func (r *run) finish() {
	if len(r.tasks) == 0 {
		return
	}
	var outcomes []spool.Outcome
	var want []spool.Finished
	for range min(r.rand.IntN(3)+1, len(r.tasks)) {
		if len(r.tasks) == 0 {
			break
		}
		o := r.outcome(r.task())
		outcomes = append(outcomes, o)
		q := r.byLocal[o.Task.LocalID]
		want = append(want, r.model.finish(r.now, q, o))
		r.byLocal[q.LocalID] = q
	}
	got, err := r.record(outcomes)
	if err != nil {
		r.Fatalf("Finish: %v", err)
	}
	if !reflect.DeepEqual(got, want) {
		r.Errorf("Finish %+v: %+v, want %+v", outcomes, got, want)
	}
	for _, f := range want {
		r.see("lost", f.Err != nil)
		r.see("foreign", f.ConvoConflict)
		r.see("replaced", f.Replaced != 0)
	}
}

// record finishes outcomes, or seldom makes a turn of them. The model has finished them.
func (r *run) record(outcomes []spool.Outcome) ([]spool.Finished, error) {
	if r.rand.IntN(3) > 0 {
		return r.Finish(r.Context(), r.now, outcomes...)
	}
	rooms := r.rooms()
	turned, err := r.Turn(r.Context(), r.now, outcomes, lease, rooms...)
	if err != nil {
		return nil, err
	}
	tasks, next := turned.Tasks, turned.Next
	if r.model.mayHave(r.now, rooms) {
		if err := r.model.claim(r.now, rooms, tasks, next); err != nil {
			r.Errorf("Turn %+v: %v", rooms, err)
		}
		r.claimed(tasks, next)
		return turned.Ended, nil
	}
	var want waits
	for _, o := range outcomes {
		if o.State == spool.Deferred {
			want.until(o.Due)
		}
	}
	if len(tasks) > 0 || !next.Equal(want.next) {
		r.Errorf("Turn %+v claimed %v, next %v, want nothing and %v", rooms, names(tasks), next, want.next)
	}
	r.model.renew(rooms)
	r.see("turn of nothing", true)
	return turned.Ended, nil
}

func (r *run) outcome(t *spool.Task) spool.Outcome {
	o := spool.Outcome{
		Task:      t,
		Status:    200 + r.rand.IntN(300),
		APIID:     fmt.Sprint("req-", r.n),
		MessageID: t.Request + 1000,
	}
	switch n := r.rand.IntN(10); {
	case n < 5:
		o.State = spool.Sent
	case n < 6:
		o.State = spool.Flagged
	case n < 8:
		o.State, o.Unknown = spool.Failed, r.rand.IntN(4) == 0
	default:
		o.State, o.Due = spool.Deferred, r.now.Add(time.Duration(r.rand.IntN(30))*time.Second)
		o.Unknown, o.Reason = r.rand.IntN(3) == 0, "again"
		r.again(&o)
	}
	r.reportOf(&o)
	_, byMail := spool.SmarthostRoute(t.Team)
	switch n := r.rand.IntN(10); {
	case n < 1, byMail: // no usable one
	case n < 3 && r.convos > 0:
		o.ConvoID = r.rand.Int64N(r.convos) + 1
	case n < 8 && t.ConvoID != 0:
		o.ConvoID = t.ConvoID
	default:
		r.convos++
		o.ConvoID = r.convos
	}
	return o
}

// reportOf has an outcome reported, or not.
func (r *run) reportOf(o *spool.Outcome) {
	if r.rand.IntN(3) == 0 {
		o.Event = r.event()
	}
	switch {
	case r.rand.IntN(3) == 0:
	case o.State == spool.Failed:
		o.Report = spool.FailedAction
	case o.State == spool.Sent:
		o.Report = spool.RelayedAction
	case o.State == spool.Deferred && !o.Task.Delayed:
		o.Report, o.Until = spool.DelayedAction, r.now.Add(day)
	}
}

// again says what the next attempt is to be.
func (r *run) again(o *spool.Outcome) {
	maybe := func(n int) bool { return r.rand.IntN(n) == 0 }
	o.Detach = maybe(8)
	o.ProvenAbsent = maybe(3)
	o.Refused = !o.Unknown && maybe(2)
	o.RouteRefused = maybe(3)
	o.ConversationAlive = maybe(3)
	o.NextCall = spool.Call(r.rand.IntN(3))
	q := r.byLocal[o.Task.LocalID]
	if maybe(2) || q.message.Smarthost {
		o.NextCall = spool.Send
	}
	unknown := q.unknown && !o.ProvenAbsent || o.Unknown
	o.Reopen = o.NextCall == spool.Send && !unknown && !q.message.Smarthost && maybe(3)
	if o.Reopen {
		r.renamed++
		o.LocalID = fmt.Sprintf("new-%d", r.renamed)
	}
	r.see("reopened", o.Reopen && o.Task.ConvoID != 0)
	r.see("aside", o.Detach && len(q.lane.open) > 1)
	r.see("known", o.ProvenAbsent && q.unknown)
}

func (r *run) unclaim() {
	if len(r.tasks) == 0 {
		return
	}
	t := r.task()
	if err := r.Unclaim(r.Context(), t); err != nil {
		r.Fatalf("Unclaim: %v", err)
	}
	// A released attempt can be claimed again under its number: nobody ends it twice.
	r.tasks = slices.DeleteFunc(
		r.tasks,
		func(o *spool.Task) bool { return o.Request == t.Request && o.Attempt == t.Attempt },
	)
	q := r.byLocal[t.LocalID]
	r.see("unclaimed", q.state == spool.Active && len(q.tries) == t.Attempt)
	r.model.unclaim(q, t)
}

func (r *run) confirm() {
	if len(r.model.messages) == 0 {
		return
	}
	m := pick(r.rand, r.model.messages)
	m.confirmed = true
	if err := r.ConfirmReply(r.Context(), m.QueueID); err != nil {
		r.Fatalf("ConfirmReply: %v", err)
	}
}

// restart loses what was claimed.
func (r *run) restart() {
	r.reopen()
	r.tasks, r.lent = nil, nil
	r.model.restart()
	r.see("restart", true)
	r.claim()
}

// restore goes on with a backup. The spool that was backed up may have sent what is pending.
func (r *run) restore() {
	place := r.TempDir()
	backedUp := r.now
	r.backup(r.T, r.place, place, backedUp)
	r.must(errors.Join(r.operator.Close(), r.Close()))
	r.now = r.now.Add(time.Duration(r.rand.IntN(300)) * time.Second)
	r.model.now = r.now
	r.place = place
	r.Spool = r.open(r.T, place, r.clock)
	r.operator = r.operate(r.T, place)
	r.tasks, r.lent = nil, nil
	r.model.restore(backedUp, r.now)
	r.see("restored", true)
	r.claim()
}
