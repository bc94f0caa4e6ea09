package relay

import (
	"crypto/rand"
	"net/smtp"
	"sync/atomic"
	"testing"

	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
)

// TestComing counts the messages that clients have begun, for the store.
func TestComing(t *testing.T) {
	var coming atomic.Int64
	r, err := New(parse(t, oneRoute), Parts{
		Store:     open(t),
		Sink:      events.Sinks{},
		Transport: sandbox.New(sandbox.Options{}),
		Random:    rand.Reader,
		Coming:    &coming,
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, r)
	c, err := smtp.Dial(r.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("app@example.com"); err != nil || coming.Load() != 1 {
		t.Errorf("%d are coming after MAIL (%v), want 1", coming.Load(), err)
	}
	if err := c.Reset(); err != nil || coming.Load() != 0 {
		t.Errorf("%d are coming after RSET (%v), want none", coming.Load(), err)
	}
}
