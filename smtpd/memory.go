package smtpd

import "sync"

// memory accounts for the memory that messages occupy, in all and by account. It is charged as
// octets arrive: what a client only announces takes nothing from others.
type memory struct {
	share int64 // most that one account may hold

	mu   sync.Mutex
	left int64
	held map[string]int64
}

// newMemory divides the memory so that one account gets a quarter, but always enough for the
// largest message, whose repaired line endings can double it.
func newMemory(l Limits) *memory {
	return &memory{
		share: max(l.InFlight/4, 2*l.MessageSize),
		left:  l.InFlight,
		held:  make(map[string]int64),
	}
}

// room returns how much the account can still reserve.
func (m *memory) room(account string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return min(m.left, m.share-m.held[account])
}

// reserve charges n bytes to the account, or returns false and charges nothing.
func (m *memory) reserve(account string, n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > min(m.left, m.share-m.held[account]) {
		return false
	}
	m.left -= n
	m.held[account] += n
	return true
}

// release ends the charge of n bytes.
func (m *memory) release(account string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left += n
	m.held[account] -= n
	if m.held[account] == 0 {
		delete(m.held, account)
	}
}
