package fileserver

import (
	"net/netip"
	"sync"

	"heyrelay/internal/access"
)

// Limit is how many downloads may go on at a time.
type Limit struct {
	Total      int
	PerAddress int // of one IPv4 address, or of one IPv6 network of 64 bits
}

// Slots counts the downloads that go on. The zero Slots is ready for use, by many goroutines.
type Slots struct {
	mu    sync.Mutex
	total int
	of    access.Counts
}

// take begins a download, which release must end, or returns why it may not begin.
func (s *Slots) take(client netip.Addr, limit Limit) (refused *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= limit.Total {
		return &busy
	}
	if !s.of.Add(client, limit.PerAddress) {
		return &busyAddress
	}
	s.total++
	return nil
}

func (s *Slots) release(client netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	s.of.Remove(client)
}
