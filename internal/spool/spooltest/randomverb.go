package spooltest

import (
	"fmt"
	"reflect"

	"heyrelay/internal/spool"
)

// intervene does one of the operator's verbs to one message.
func (r *run) intervene() {
	if len(r.model.messages) == 0 {
		return
	}
	m := r.model.messages[len(r.model.messages)-1-r.rand.IntN(min(20, len(r.model.messages)))]
	f := spool.Filter{QueueIDs: []string{m.QueueID}}
	var got, want spool.Moved
	var err error
	switch r.rand.IntN(8) {
	case 0:
		got, err = r.operator.Drop(r.Context(), r.now, f)
		want = r.model.each(m, r.model.drop)
		r.see("dropped", want.Requests > 0)
	case 1, 2:
		got, err = r.operator.Hold(r.Context(), r.now, f, "why")
		want = r.model.each(m, func(q *modelRequest) bool { return r.model.holdRequest(q, "why") })
		r.see("held", want.Requests > 0)
	case 3, 4:
		if held := r.model.held(); held != nil {
			m = held
			f.QueueIDs[0] = m.QueueID
		}
		got, err = r.operator.Release(r.Context(), r.now, f)
		want = r.model.each(m, r.model.releaseRequest)
		r.see("request released", want.Requests > 0)
	default:
		o := spool.RetryOptions{Anew: r.rand.IntN(3) == 0}
		o.NewLocalID = func() string {
			r.renamed++
			return fmt.Sprintf("new-%d", r.renamed)
		}
		if r.rand.IntN(2) == 0 {
			o.Route, o.Team, o.Inbox = "c", "shop", int64(r.rand.IntN(2)+1)
		}
		renamed := r.renamed
		got, err = r.operator.Retry(r.Context(), r.now, f, o)
		r.renamed = renamed
		moved := map[*modelConv]*modelConv{}
		want = r.model.each(m, func(q *modelRequest) bool { return r.model.retry(q, o, moved) })
		r.see("retried", want.Requests > 0)
		r.see("moved", want.Requests > 0 && o.Route != "")
		r.see("anew", want.Requests > 0 && o.Anew)
	}
	for _, q := range m.requests {
		r.byLocal[q.LocalID] = q
	}
	if !reflect.DeepEqual(got, want) || err != nil {
		r.Errorf("on %s the operator moved %+v (%v), want %+v", m.QueueID, got, err, want)
	}
}
