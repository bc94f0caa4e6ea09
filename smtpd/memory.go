package smtpd

import "sync"

// memory accounts for the memory that messages occupy, in all and by account. It is charged as
// octets arrive: what a client only announces takes nothing from others.
type memory struct {
	mu   sync.Mutex
	used int64
	held map[string]int64
}

// newMemory returns a memory without a message.
func newMemory() *memory { return &memory{held: make(map[string]int64)} }

// room returns how much the account can still reserve.
func (m *memory) room(l Limits, account string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left(l, account)
}

// left divides the memory so that one account gets a quarter, but always enough for the
// largest message, whose repaired line endings can double it. The caller holds mu.
func (m *memory) left(l Limits, account string) int64 {
	share := max(l.InFlight/4, 2*l.MessageSize)
	return min(l.InFlight-m.used, share-m.held[account])
}

// reserve charges n bytes to the account, or returns false and charges nothing.
func (m *memory) reserve(l Limits, account string, n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > m.left(l, account) {
		return false
	}
	m.used += n
	m.held[account] += n
	return true
}

// release ends the charge of n bytes.
func (m *memory) release(account string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= n
	m.held[account] -= n
	if m.held[account] == 0 {
		delete(m.held, account)
	}
}
