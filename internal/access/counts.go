package access

import (
	"net/netip"
	"sync"
)

// Counts counts what goes on at a time, by the Network of a client. The zero Counts is ready for use, by many
// goroutines.
type Counts struct {
	mu sync.Mutex
	of map[netip.Prefix]int
}

// Add counts one more, which Remove must end. It reports false, and counts nothing, if most go on already.
func (c *Counts) Add(client netip.Addr, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	network := Network(client)
	if c.of[network] >= most {
		return false
	}
	if c.of == nil {
		c.of = map[netip.Prefix]int{}
	}
	c.of[network]++
	return true
}

// Remove counts one less.
func (c *Counts) Remove(client netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	network := Network(client)
	c.of[network]--
	if c.of[network] == 0 {
		delete(c.of, network)
	}
}
