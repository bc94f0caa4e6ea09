package events

import "sync"

// Limits of a Stream.
const (
	streamBuffer   = 256 // events that a subscriber may be behind
	maxSubscribers = 64
)

// Stream is a Sink that hands events on to subscribers, who come and go. The zero Stream is
// ready for use.
type Stream struct {
	mu          sync.Mutex
	subscribers map[chan Event]bool
}

// Record implements Sink. It never blocks: a subscriber that does not keep up is cut off.
func (s *Stream) Record(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.subscribers {
		select {
		case c <- e:
		default:
			s.remove(c)
		}
	}
}

// Subscribe returns a channel with each event from now on, and a function that ends that. The
// channel is closed then, or when the subscriber has not kept up. ok is false where there are
// too many subscribers.
func (s *Stream) Subscribe() (events <-chan Event, end func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.subscribers) >= maxSubscribers {
		return nil, nil, false
	}
	if s.subscribers == nil {
		s.subscribers = make(map[chan Event]bool)
	}
	c := make(chan Event, streamBuffer)
	s.subscribers[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.remove(c)
	}, true
}

// remove closes the channel of a subscriber, once.
func (s *Stream) remove(c chan Event) {
	if s.subscribers[c] {
		delete(s.subscribers, c)
		close(c)
	}
}
