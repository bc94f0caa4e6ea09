package spooltest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// filter chooses requests as people do: some messages, those that wait for each other, or what has something
// in common.
func (r *run) filter() (f spool.Filter) {
	switch r.rand.IntN(10) {
	case 0, 1, 2:
		f.QueueIDs = []string{r.recent().QueueID}
	case 3:
		for range 2 + r.rand.IntN(4) {
			f.QueueIDs = append(f.QueueIDs, r.recent().QueueID)
		}
	case 4, 5:
		f.QueueIDs = r.waitingTogether()
	default:
		f = r.condition()
		for r.rand.IntN(3) == 0 {
			f = both(f, r.condition())
		}
		if r.rand.IntN(4) > 0 {
			f.Since = r.now.Add(-time.Duration(r.rand.IntN(60)) * time.Second)
		}
	}
	return f
}

// recent is one of the last messages.
func (r *run) recent() *modelMessage {
	all := r.model.messages
	return all[len(all)-1-r.rand.IntN(min(20, len(all)))]
}

// waitingTogether are the messages of some requests that wait in one lane, or of any where none does.
func (r *run) waitingTogether() (ids []string) {
	var long []*modelLane
	for _, l := range r.model.lanes {
		if len(l.open) > 1 {
			long = append(long, l)
		}
	}
	if long == nil {
		return []string{r.recent().QueueID}
	}
	for _, q := range pick(r.rand, long).open {
		if ids == nil || r.rand.IntN(3) > 0 {
			ids = append(ids, q.message.QueueID)
		}
	}
	return ids
}

// condition is what many requests have in common, or few.
func (r *run) condition() (f spool.Filter) {
	msg := pick(r.rand, r.model.messages)
	q := pick(r.rand, msg.requests)
	switch r.rand.IntN(12) {
	case 0:
		f.Route = q.route
	case 1:
		f.Team = q.conv.team
	case 2, 3:
		f.Recipient = append(slices.Concat(q.To, q.Cc), "nobody@example.com")[0]
		if r.rand.IntN(2) == 0 {
			f.Recipient = strings.ToUpper(f.Recipient)
		}
	case 4:
		f.States = []spool.State{spool.State(r.rand.IntN(10))}
	case 5:
		f.States = []spool.State{spool.State(r.rand.IntN(10)), spool.State(r.rand.IntN(10))}
	case 6:
		f.States = spool.OpenStates()
	case 7:
		f.Subject = pick(r.rand, []string{"oNe", "t", "none"})
	case 8:
		f.MessageID = append(slices.Clone(msg.MessageIDs), "none@example.com")[0]
	case 9:
		f.ConvoID = q.convo()
	case 10:
		f.LocalID = q.LocalID
	default: // everything
	}
	return f
}

// both is a filter with the conditions of a and those that b has besides.
func both(a, b spool.Filter) spool.Filter {
	if a.States == nil {
		a.States = b.States
	}
	if a.Route == "" {
		a.Route = b.Route
	}
	if a.Team == "" {
		a.Team = b.Team
	}
	if a.Recipient == "" {
		a.Recipient = b.Recipient
	}
	return a
}

// pick returns one of list.
func pick[T any](rand *rand.Rand, list []T) T { return list[rand.IntN(len(list))] }
