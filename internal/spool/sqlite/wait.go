package sqlite

import (
	"context"
	"slices"
	"sync"
	"time"

	"heyrelay/internal/spool"
)

// waiters are the callers of Wait, by queue id. The zero value has none.
type waiters struct {
	mu  sync.Mutex
	all map[string][]chan struct{}
}

// add returns a channel that receives a value when a request of a message has ended,
// and a function that removes it.
func (w *waiters) add(queueID string) (ended <-chan struct{}, remove func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string][]chan struct{}{}
	}
	w.all[queueID] = append(w.all[queueID], c)
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		left := slices.DeleteFunc(w.all[queueID], func(o chan struct{}) bool { return o == c })
		w.all[queueID] = left
		if len(left) == 0 {
			delete(w.all, queueID)
		}
	}
}

// notify wakes the callers that wait for one of the messages.
func (w *waiters) notify(outcomes []spool.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range outcomes {
		for _, c := range w.all[outcomes[i].Task.QueueID] {
			select {
			case c <- struct{}{}:
			default: // it has not read the last one yet
			}
		}
	}
}

// pollInterval is how often Wait checks what an operator did beside this process.
const pollInterval = time.Second

// Wait implements spool.Store.
func (s *Store) Wait(ctx context.Context, queueID string) ([]spool.RequestStatus, error) {
	ended, remove := s.waiters.add(queueID)
	defer remove()
	look := time.NewTicker(pollInterval)
	defer look.Stop()
	for {
		all, err := s.statuses(context.WithoutCancel(ctx), queueID)
		open := slices.ContainsFunc(all, func(r spool.RequestStatus) bool { return r.State.Open() })
		if !open || err != nil {
			return all, err
		}
		select {
		case <-ended:
		case <-look.C:
		case <-ctx.Done():
			return all, nil
		}
	}
}

const sqlStatuses = `
SELECT r.state, r.unknown, r.convo_id, r.message_id,
       COALESCE(a.status, 0), COALESCE(a.api_id, ''), COALESCE(a.reason, '')
  FROM message m
  JOIN request r ON r.message = m.id
  LEFT JOIN attempt a ON a.request = r.id AND a.n = r.attempts
 WHERE m.queue_id = ? ORDER BY r.id`

// statuses are those of the requests of a message.
func (r *Reader) statuses(ctx context.Context, queueID string) (all []spool.RequestStatus, err error) {
	err = eachRow(ctx, r.db, sqlStatuses, []any{queueID}, func(row scanner) error {
		var s spool.RequestStatus
		err := row.Scan(&s.State, &s.Unknown, &s.ConvoID, &s.MessageID, &s.Status, &s.APIID, &s.Reason)
		all = append(all, s)
		return err
	})
	if err == nil && all == nil {
		err = spool.ErrNotFound
	}
	return all, err
}
