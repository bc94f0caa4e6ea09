package smtpd

import (
	"errors"
	"sync"
)

// The errors of Envelope.Reserve.
var (
	// ErrMessageMemory is permanent: the message alone takes more than one may.
	ErrMessageMemory = errors.New("the message takes too much memory")

	// ErrMemory is temporary: other messages occupy the memory.
	ErrMemory = errors.New("too many messages in progress")

	// ErrAccountMemory is temporary: other messages of the same user or address occupy its share.
	ErrAccountMemory = errors.New("too many messages of the client in progress")
)

// memory accounts for the memory that messages occupy, in all and by account. It is charged as
// octets arrive, and with what a Handler makes of them: what a client only announces takes
// nothing from others.
type memory struct {
	mu   sync.Mutex
	used int64
	lent int64
	held map[string]int64
}

// newMemory returns a memory without a message.
func newMemory() *memory { return &memory{held: make(map[string]int64)} }

// handling is what a Handler may make of any message, in bytes: more than a Handler makes of
// an honest message of 1 MB.
const handling = 8 << 20

// share divides the memory so that one account gets a quarter, but always enough for the
// largest message, whose repaired line endings can double it.
func share(l Limits) int64 { return max(l.InFlight/4, 2*l.MessageSize) }

// largest returns the most that one message may take, if it is the only one of its account.
func largest(l Limits) int64 { return min(l.InFlight, max(share(l), 2*l.MessageSize+handling)) }

// check returns the error of reserve, and charges nothing.
func (m *memory) check(l Limits, account string, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lack(l, account, n)
}

// lack is check for a caller that holds mu. What is the account's own doing goes first: it lasts even if
// others end.
func (m *memory) lack(l Limits, account string, n int64) error {
	switch {
	case n > share(l)-m.held[account]:
		return ErrAccountMemory
	case n > l.InFlight-m.used:
		return ErrMemory
	}
	return nil
}

// reserve charges n bytes to the account, or returns ErrAccountMemory or ErrMemory and charges nothing.
func (m *memory) reserve(l Limits, account string, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.lack(l, account, n)
	if err == nil {
		m.used += n
		m.held[account] += n
	}
	return err
}

// enlarge charges n bytes more to the account, for a message that has been charged with so
// many. If it returns an error, it charges nothing.
func (m *memory) enlarge(l Limits, account string, charged, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case n <= 0:
	case charged+n > largest(l):
		return ErrMessageMemory
	case m.held[account] > charged && n > share(l)-m.held[account]:
		return ErrAccountMemory
	case n > l.InFlight-m.used:
		return ErrMemory
	}
	m.used += n
	m.held[account] += n
	return nil
}

// lend reports whether n bytes may be allocated that have been announced. They are beside what is charged,
// and so take nothing from others; but all that is lent at a time is a quarter of the memory at most.
func (m *memory) lend(l Limits, n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lent+n > l.InFlight/4 {
		return false
	}
	m.lent += n
	return true
}

// takeBack takes back n bytes that were lent.
func (m *memory) takeBack(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lent -= n
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
