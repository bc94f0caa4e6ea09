package spooltest

import (
	"fmt"
	"sync"

	"heyrelay/internal/spool"
)

// parallel runs f(0) to f(n-1) at once and waits for all.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

const (
	producers = 8
	claimers  = 4
	letters   = 60 // of each producer
	lanes     = 10 // shared by all producers
)

// together has many producers and several claimers at work at once. Every
// request must be sent exactly once, in its turn, and no two of a conversation
// at a time.
func together(f *fixture) {
	w := &world{
		fixture: f,
		sent:    map[string]int{},
		busy:    map[string]string{},
		last:    map[string]int{},
		kick:    make(chan struct{}, claimers),
		all:     make(chan struct{}),
	}
	messages := make([][]*spool.Message, producers)
	for p := range messages {
		for n := range letters {
			lane := n % lanes
			m := f.write(letter{
				id:       fmt.Sprintf("%d-%d", p, n),
				cites:    []string{"root"},
				to:       []string{fmt.Sprintf("person-%d", lane)},
				subject:  fmt.Sprintf("%d %d", p, n),
				line:     spool.SubjectNever,
				priority: spool.Priority(n % 3),
			})
			messages[p] = append(messages[p], m)
		}
	}
	var wg sync.WaitGroup
	for range claimers {
		wg.Go(w.work)
	}
	parallel(producers, func(p int) {
		for _, m := range messages[p] {
			if _, err := f.Accept(f.Context(), m); err != nil {
				f.Error(err)
			}
			w.makeDue()
		}
	})
	wg.Wait()
	for _, list := range messages {
		for _, m := range list {
			if n := w.sent[m.Requests[0].LocalID]; n != 1 {
				f.Errorf("%s was sent %d times", m.Requests[0].LocalID, n)
			}
		}
	}
}

// world is the API that the claimers call, and what it saw.
type world struct {
	*fixture
	kick chan struct{}
	all  chan struct{} // closed when everything was sent

	mu    sync.Mutex
	sent  map[string]int    // by local id
	busy  map[string]string // by recipient: the local id under way
	last  map[string]int    // by recipient and producer: the number of the letter sent last
	total int
}

// makeDue lets a claimer claim again.
func (w *world) makeDue() {
	select {
	case w.kick <- struct{}{}:
	default: // all of them will look
	}
}

// work claims and finishes until everything was sent.
func (w *world) work() {
	for {
		tasks, _, err := w.Claim(w.Context(), w.now, lease, spool.Capacity{Team: "shop", Rate: plenty, Free: 3})
		if err != nil {
			w.Error(err)
			return
		}
		if len(tasks) > 0 {
			w.call(tasks)
			continue
		}
		select {
		case <-w.kick:
		case <-w.all:
			return
		case <-w.Context().Done():
			return
		}
	}
}

// call carries tasks out and finishes them; every fifth first attempt fails.
func (w *world) call(tasks []*spool.Task) {
	outcomes := make([]spool.Outcome, len(tasks))
	for i, t := range tasks {
		w.begin(t)
		outcomes[i] = spool.Outcome{Task: t, State: spool.Sent, ConvoID: t.ConvoID, MessageID: t.Request}
		if t.ConvoID == 0 {
			outcomes[i].ConvoID = t.Request
		}
		if t.Attempt == 1 && t.Request%5 == 0 {
			outcomes[i] = spool.Outcome{Task: t, State: spool.Deferred, Due: w.now}
		}
		w.end(outcomes[i])
	}
	results, err := w.Finish(w.Context(), w.now, outcomes...)
	if err != nil {
		w.Error(err)
	}
	for _, r := range results {
		if r.Err != nil || r.ConvoConflict || r.Replaced != 0 {
			w.Errorf("Finish: %+v", r)
		}
	}
	w.makeDue()
}

// begin notes that a call is under way.
func (w *world) begin(t *spool.Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.busy[t.To[0]]; other != "" {
		w.Errorf("%s begins while %s of its conversation is under way", t.LocalID, other)
	}
	w.busy[t.To[0]] = t.LocalID
}

// end notes the outcome of a call before the spool records it.
func (w *world) end(o spool.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, o.Task.To[0])
	if o.State != spool.Sent {
		return
	}
	var producer, n int
	if _, err := fmt.Sscan(o.Task.Title, &producer, &n); err != nil {
		w.Error(err)
	}
	lane := fmt.Sprintf("%s %d", o.Task.To[0], producer)
	if last, ok := w.last[lane]; ok && last >= n {
		w.Errorf("%s: letter %d of producer %d was sent after letter %d", o.Task.To[0], n, producer, last)
	}
	w.last[lane] = n
	w.sent[o.Task.LocalID]++
	w.total++
	if w.total == producers*letters {
		close(w.all)
	}
}
