package smtpd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A connection that fails in the reply to a BDAT ends without a panic: Data has started before
// the session ends.
func TestResetInBDAT(t *testing.T) {
	l := &cuttable{}
	h := openOn(t, l.listen(t), Access{Allow: loopback}, Settings{}, &recorder{})
	for range 100 {
		l.cut.Store(false)
		c := h.dial(t)
		c.hello()
		c.mail()
		l.cut.Store(true)
		c.send("BDAT 0\r\nNOOP\r\n")
		c.want("<closed>")
	}
	h.stop(t)
	for _, e := range h.all() {
		if e.Err != nil && strings.Contains(e.Err.Error(), "panic") {
			t.Fatal(e.Err)
		}
	}
	if n := len(h.messages()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// A chunk of unknown size could be content or commands: the connection is closed.
func TestMalformedBDAT(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	for _, command := range []string{
		"BDAT", "BDAT LAST", "BDAT -1", "BDAT +6", "BDAT 0x6", "BDAT 6.",
		"BDAT 4294967296 LAST", "BDAT 99999999999999999999",
		"BDAT 6 FIRST", "BDAT 6 LAST now", "BDAT 6,LAST", "bdat x", "BDAT\t6", "BDAT6", "BDATA 6",
	} {
		c := h.dial(t)
		c.hello()
		c.mail()
		c.send(fmt.Sprintf("%s\r\n%s", command, smuggled))
		c.want("501 5.5.4 ", "<closed>")
	}
	h.stop(t)
	if m := h.messages(); len(m) != 0 {
		t.Errorf("the Handler got %+v", m)
	}
}

// Clients that announce much and send nothing take nothing from others.
func TestAnnouncedSizeIsNotCharged(t *testing.T) {
	h := open(t, Settings{Limits: Limits{MessageSize: 1000, InFlight: 2000}}, &recorder{})
	var idle []*client
	for range 50 {
		c := h.dial(t)
		c.hello()
		c.say("MAIL FROM:<app@app.test> SIZE=1000", "250 ")
		c.say("RCPT TO:<bob@example.com>", "250 ")
		c.say("DATA", "354 ")
		idle = append(idle, c)
	}
	c := h.dial(t)
	c.hello()
	c.say("MAIL FROM:<app@app.test> SIZE=1000", "250 ")
	c.say("RCPT TO:<bob@example.com>", "250 ")
	c.say("DATA", "354 ")
	c.say(strings.Repeat("x", 998)+"\r\n.", "250 2.0.0 Ok: queued")
	for _, c := range idle {
		c.say(".", "250 2.0.0 Ok: queued")
	}
}

// One address or user may hold a quarter of the memory: the others are served.
func TestShareOfMemory(t *testing.T) {
	const size, inFlight = 10_000, 100_000
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	handler := &recorder{reply: func(ctx context.Context, env *Envelope) Reply {
		entered <- struct{}{}
		select {
		case <-leave:
		case <-ctx.Done():
		}
		return queued(env)
	}}
	o := Settings{
		Users:  []User{testUser(t, "bob sesame")},
		Limits: Limits{MessageSize: size, InFlight: inFlight},
	}
	h := open(t, o, handler)
	content := strings.Repeat(strings.Repeat("x", 98)+"\r\n", 90) + "."
	busy := func(c *client) {
		c.data()
		c.put(content + "\r\n")
		<-entered
	}
	for range 2 { // a quarter, in buffers of 10,001 bytes
		c := h.dial(t)
		c.hello()
		busy(c)
	}
	over := h.dial(t)
	over.hello()
	over.say("MAIL FROM:<app@app.test> SIZE=9000", "452 4.7.1 Too many messages from 127.0.0.1 in progress")
	over.data()
	over.say(content, "452 4.7.1 Too many messages from 127.0.0.1 in progress")

	user := h.dial(t)
	user.hello()
	user.say("AUTH PLAIN AGJvYgBzZXNhbWU=", "235 ")
	busy(user)
	other := h.dialFrom(t, "127.0.0.2")
	other.hello()
	busy(other)
	close(leave)
	user.want("250 ")
	other.want("250 ")
	h.stop(t)
	if used := h.memory.used; used != 0 {
		t.Errorf("%d bytes used", used)
	}
}

// What a Handler makes of a message is charged until Handle returns. A message that alone takes
// too much has another error than one that does not fit beside the others.
func TestReserve(t *testing.T) {
	const size, inFlight = 10_000, 100_000
	var h *house
	var errs []error
	reserve := func(env *Envelope, n int64) { errs = append(errs, env.Reserve(n)) }
	limits := Limits{MessageSize: size, InFlight: inFlight}
	h = open(t, Settings{Limits: limits}, &recorder{
		reply: func(_ context.Context, env *Envelope) Reply {
			reserve(env, inFlight) // beside its own octets
			reserve(env, inFlight-size-1)
			reserve(env, 1)
			reserve(env, -1000)
			reserve(env, 1000)
			reserve(env, -inFlight/2)
			other := messageBuffer{memory: h.memory, account: "127.0.0.2", limits: limits}
			errs = append(errs, other.reserve(inFlight/2+1), other.reserve(inFlight/4))
			reserve(env, inFlight/2)
			other.free()
			second := messageBuffer{memory: h.memory, account: "127.0.0.1", limits: limits}
			errs = append(errs, second.reserve(1))
			return queued(env)
		},
	})
	c := h.dial(t)
	c.begin()
	c.say("Hello.\r\n.", "250 ")
	h.stop(t)
	want := []error{ErrMessageMemory, nil, ErrMessageMemory, nil, nil, nil, ErrMemory, nil, ErrMemory, ErrAccountMemory}
	if !slices.Equal(errs, want) {
		t.Errorf("%v, want %v", errs, want)
	}
	if used := h.memory.used; used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
}
