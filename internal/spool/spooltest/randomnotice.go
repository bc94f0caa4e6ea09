package spooltest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// deliver takes notices, ends some that were taken, or adds one.
func (r *run) deliver() {
	switch r.rand.IntN(6) {
	case 0, 1:
		r.takeNotices(spool.Way(r.rand.IntN(2)))
	case 2, 3:
		for range r.rand.IntN(len(r.lent) + 1) {
			r.endNotice()
		}
	case 4:
		event := r.event()
		r.must(r.AddEvent(r.Context(), r.now, event))
		r.model.addEvent(nil, event)
	default:
		isReport := func(n *modelNotice) bool { return n.way == spool.Mail }
		reports := slices.Clone(r.model.notices)
		reports = slices.DeleteFunc(reports, func(n *modelNotice) bool { return !isReport(n) })
		if len(reports) == 0 {
			return
		}
		msg := reports[len(reports)-1].about.message
		if r.rand.IntN(2) == 0 {
			r.must(r.ReleaseReports(r.Context(), r.now, msg.QueueID))
			r.model.releaseReports(r.now, msg)
			return
		}
		r.must(r.SuppressReports(r.Context(), msg.QueueID))
		r.model.silence(func(n *modelNotice) bool { return isReport(n) && n.about.message == msg })
		r.see("suppressed", true)
	}
}

func (r *run) event() []byte { return fmt.Appendf(nil, `{"type":"t%d"}`, r.rand.IntN(3)) }

func (r *run) takeNotices(way spool.Way) {
	limit := 1 + r.rand.IntN(100)
	got, next, err := r.Notices(r.Context(), r.now, lease, way, limit)
	want, wantNext := r.model.dueNotices(way, limit)
	if err != nil || len(got) != len(want) || !next.Equal(wantNext) {
		r.Fatalf("%d notices of way %d, next %v (%v), want %d and %v", len(got), way, next, err, len(want), wantNext)
	}
	for i, n := range want {
		r.see("noticed again", n.id != 0)
		if n.id == 0 {
			n.id = got[i].ID
		}
		if !slices.Contains(r.lent, n) {
			r.lent = append(r.lent, n)
		}
		one := spool.Notice{ID: n.id, Way: way, Happened: n.happened, Tries: n.tries, Event: n.event}
		if way == spool.Mail {
			one.Report = n.report()
			r.see("reported "+string(n.action), true)
		}
		if !reflect.DeepEqual(got[i], one) {
			r.Errorf("the notice is %+v about %+v, want %+v about %+v", got[i], got[i].Report, one, one.Report)
		}
	}
}

// endNotice ends the delivery of a notice, which may have been deleted since it was taken.
func (r *run) endNotice() {
	i := r.rand.IntN(len(r.lent))
	n := r.lent[i]
	r.see("notice deleted meanwhile", !slices.Contains(r.model.notices, n))
	if r.rand.IntN(3) == 0 {
		n.due = r.now.Add(time.Duration(r.rand.IntN(30)) * time.Second)
		n.tries++
		r.must(r.Defer(r.Context(), n.id, n.due))
		return
	}
	r.lent = slices.Delete(r.lent, i, i+1)
	r.must(r.Done(r.Context(), n.id))
	r.model.silence(func(o *modelNotice) bool { return o == n })
}

// compareNotices holds the undelivered notices against the model.
func (r *run) compareNotices() {
	got, err := r.operator.PendingNotices(r.Context(), spool.Filter{Limit: 1_000_000})
	if want := r.model.pending(); !reflect.DeepEqual(got, want) || err != nil {
		r.Errorf("%d notices are pending (%v), want %d", len(got), err, len(want))
		for i := range min(len(got), len(want)) {
			if !reflect.DeepEqual(got[i], want[i]) {
				r.Fatalf("the first that differs is %+v, want %+v", got[i], want[i])
			}
		}
	}
}
