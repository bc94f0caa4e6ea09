package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// notices is a store of notices alone: enough to see what becomes of them. The
// real stores have their own suite.
type notices struct {
	mu       sync.Mutex
	list     []stored
	fails    int         // records that fail before the next that does not
	blind    int         // questions that fail, likewise
	outcomes chan string // the outcome of each
}

type stored struct {
	spool.Notice
	due time.Time
}

func newNotices(list ...spool.Notice) *notices {
	s := &notices{outcomes: make(chan string, 1000)}
	for _, n := range list {
		s.list = append(s.list, stored{n, n.Happened})
	}
	return s
}

func (s *notices) failure() error {
	if s.fails > 0 {
		s.fails--
		return errors.New("the disk is full")
	}
	return nil
}

// Notices implements spool.Notices.
func (s *notices) Notices(
	_ context.Context, now time.Time, lease time.Duration, way spool.Way, limit int,
) (due []spool.Notice, next time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blind > 0 {
		s.blind--
		return nil, time.Time{}, errors.New("the disk is gone")
	}
	for i := range s.list {
		n := &s.list[i]
		if n.Way == way && !n.due.After(now) && len(due) < limit {
			n.due = now.Add(lease)
			due = append(due, n.Notice)
		}
		if n.Way == way && (next.IsZero() || n.due.Before(next)) {
			next = n.due
		}
	}
	return due, next, nil
}

// Done implements spool.Notices.
func (s *notices) Done(_ context.Context, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failure(); err != nil {
		return err
	}
	s.list = slices.DeleteFunc(s.list, func(n stored) bool { return n.ID == id })
	s.outcomes <- fmt.Sprintf("done %d", id)
	return nil
}

// Postpone implements spool.Notices.
func (s *notices) Defer(_ context.Context, id int64, due time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failure(); err != nil {
		return err
	}
	for i := range s.list {
		if n := &s.list[i]; n.ID == id {
			n.due, n.Tries = due, n.Tries+1
		}
	}
	s.outcomes <- fmt.Sprintf("deferred %d", id)
	return nil
}

// recorder is a sink that remembers.
type recorder struct {
	mu   sync.Mutex
	list []events.Event
}

// Record implements events.Sink.
func (h *recorder) Record(e events.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, e)
}

func (h *recorder) all() []events.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}
