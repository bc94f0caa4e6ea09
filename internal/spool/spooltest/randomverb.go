package spooltest

import (
	"fmt"
	"reflect"

	"heyrelay/internal/spool"
)

// intervene does one of the operator's verbs to what a filter chooses.
func (r *run) intervene() {
	if len(r.model.messages) == 0 {
		return
	}
	f := r.filter()
	list := r.model.choose(f)
	each := func(do func(*modelRequest) bool) spool.Moved { return r.model.each(list, do) }
	var got, want spool.Moved
	var err error
	switch r.rand.IntN(30) {
	case 0:
		address := pick(r.rand, []string{"alice@example.com", "DAVE@example.com", "erin@example.com"})
		f = spool.Filter{Recipient: address}
		list = r.model.choose(f)
		got, err = r.operator.Forget(r.Context(), r.now, address)
		want = each(func(q *modelRequest) bool { return r.model.forget(q, address) })
		r.model.forgetEmpty(address)
		r.see("forgotten", want.Requests > 0)
	case 1, 2, 3, 4:
		got, err = r.operator.Drop(r.Context(), r.now, f)
		want = each(r.model.drop)
		r.see("dropped", want.Requests > 0)
		r.see("dropped several", want.Requests > 1)
	case 5, 6, 7, 8, 9, 10, 11:
		got, err = r.operator.Hold(r.Context(), r.now, f, "why")
		want = each(func(q *modelRequest) bool { return r.model.holdRequest(q, "why") })
		r.see("held", want.Requests > 0)
	case 12, 13, 14, 15, 16, 17, 18:
		if r.rand.IntN(2) == 0 {
			f = spool.Filter{States: []spool.State{spool.Held}}
			list = r.model.choose(f)
		}
		got, err = r.operator.Release(r.Context(), r.now, f)
		want = each(r.model.releaseRequest)
		r.see("request released", want.Requests > 0)
	default:
		got, want, err = r.retry(f, list)
	}
	for _, q := range list {
		r.byLocal[q.LocalID] = q
	}
	r.see("verb on many", len(list) > 10)
	if len(list) > 500 { // several steps: a later one may have moved on what one before counted
		got, want = alike(got), alike(want)
	}
	if !reflect.DeepEqual(got, want) || err != nil {
		r.Errorf("on %+v the operator moved %+v (%v), want %+v", f, got, err, want)
	}
}

// retry retries what a filter chooses: as it is, anew, or on another route.
func (r *run) retry(f spool.Filter, list []*modelRequest) (got, want spool.Moved, err error) {
	o := spool.RetryOptions{Anew: r.rand.IntN(3) == 0}
	o.NewLocalID = func() string {
		r.renamed++
		return fmt.Sprintf("new-%d", r.renamed)
	}
	if r.rand.IntN(2) == 0 {
		o.Route = pick(r.rand, []string{"a", "b", "c"})
		o.Team = pick(r.rand, []string{"shop", "bank"})
		o.Inbox = int64(r.rand.IntN(2) + 1)
	}
	renamed := r.renamed
	got, err = r.operator.Retry(r.Context(), r.now, f, o)
	r.renamed = renamed
	want = r.model.each(list, func(q *modelRequest) bool { return r.model.retry(q, o) })
	r.see("retried", want.Requests > 0)
	r.see("moved", want.Requests > 0 && o.Route != "")
	r.see("anew", want.Requests > 0 && o.Anew)
	return got, want, err
}

// alike counts all that are pending as due.
func alike(m spool.Moved) spool.Moved {
	m.Due += m.Behind + m.Deferred
	for _, k := range m.Kept {
		m.Due += k.Requests
	}
	m.Behind, m.Deferred, m.Kept = 0, 0, nil
	return m
}
