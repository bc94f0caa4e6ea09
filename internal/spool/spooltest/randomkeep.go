package spooltest

import (
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// briefly is a retention that ends within a run.
var briefly = spool.Retention{
	Content: time.Minute,
	Sent:    2 * time.Minute,
	Failed:  4 * time.Minute,
	Repeats: 3 * time.Minute,
	Threads: 5 * time.Minute,
}

// prune deletes what need not be kept.
func (r *run) prune() {
	emptied := func() (n int) {
		for _, m := range r.model.messages {
			if m.emptied {
				n++
			}
		}
		return n
	}
	before := emptied()
	keep := briefly
	keep.Ways = pick(r.rand, [][]spool.Way{nil, {spool.Mail}, {spool.Hook, spool.Mail}})
	r.pruneAll(keep)
	deleted := r.model.prune(r.now, keep)
	r.see("pruned", len(deleted) > 0)
	r.see("emptied", emptied()+len(deleted) > before)
	for _, m := range deleted {
		r.tasks = slices.DeleteFunc(r.tasks, func(t *spool.Task) bool { return t.QueueID == m.QueueID })
	}
	for c, number := range r.numbers { // they are given again
		if !slices.Contains(r.model.convs, c) {
			delete(r.numbers, c)
			delete(r.taken, number)
		}
	}
}
