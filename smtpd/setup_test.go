package smtpd

import (
	"net"
	"net/netip"
	"testing"
)

// A transaction ends with the set-up with which it began; the next one has the set-up in force.
func TestSetupOfATransaction(t *testing.T) {
	h := open(t, Settings{Limits: Limits{Recipients: 2}}, &recorder{})
	c := h.dial(t)
	c.hello()
	c.mail()
	h.use(Settings{Limits: Limits{Recipients: 1, MessageSize: 1 << 16}})
	c.say("RCPT TO:<b@b.test>", "250 ")
	c.say("DATA", "354 ")
	c.say("hello\r\n.", "250 ")
	c.say("MAIL FROM:<app@app.test> SIZE=65537", "552 5.3.4 ")
	c.mail()
	c.say("RCPT TO:<b@b.test>", "452 4.5.3 ")
}

// What EHLO offers is what the set-up in force has.
func TestSetupOffers(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	c := h.dial(t)
	c.hello()
	s := Settings{DSN: true, Users: []User{testUser(t, "bob sesame")}, Limits: Limits{Recipients: 7}}
	h.use(s)
	c.say("EHLO app.test", "250-relay.test Hello app.test", "250-PIPELINING", "250-8BITMIME",
		"250-ENHANCEDSTATUSCODES", "250-CHUNKING", "250-LIMITS RCPTMAX=7", "250-AUTH PLAIN LOGIN",
		"250-SMTPUTF8", "250-DSN", "250 SIZE 25000000")
}

// Who may send without a login is what the set-up in force says, also in an open session.
func TestSetupOfAListener(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	c := h.dial(t)
	c.hello()
	h.use(Settings{Listeners: map[string]Access{"": {Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}})
	c.say("MAIL FROM:<app@app.test>", "550 5.7.1 ")
}

// A login lasts as long as its user has the password. One that was changed counts nowhere any
// more, also where it was verified lately.
func TestSetupOfAUser(t *testing.T) {
	bob, sue := testUser(t, "bob sesame"), testUser(t, "sue sesame")
	h := open(t, Settings{Users: []User{bob, sue}}, &recorder{})
	const login = "AUTH PLAIN AGJvYgBzZXNhbWU="
	c := h.dial(t)
	c.hello()
	c.say(login, "235 ")
	h.use(Settings{Users: []User{bob}, Limits: Limits{Recipients: 5}})
	c.say("MAIL FROM:<app@app.test>", "250 ")
	h.use(Settings{Users: []User{testUser(t, "bob tahini"), sue}})
	c.say("RCPT TO:<a@a.test>", "250 ")
	c.say("DATA", "354 ")
	c.say("hello\r\n.", "250 ")
	c.say("NOOP", "421 4.7.0 relay.test has a new configuration, log in again", "<closed>")
	again := h.dial(t)
	again.hello()
	again.say(login, "535 5.7.8 ")
}

// A retired listener is closed, and its sessions end, each after its transaction, and no other.
func TestRetire(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.use(Settings{Listeners: map[string]Access{"": h.access, "other": h.access}})
	wait := h.Serve(Listener{Listener: other, ID: "other"})
	dial := func() *client {
		socket, err := net.Dial("tcp", other.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, socket)
		c.hello()
		return c
	}
	kept, idle, busy := h.dial(t), dial(), dial()
	kept.hello()
	busy.mail()

	h.use(Settings{Limits: Limits{Recipients: 1}}) // without the other listener
	h.Retire("other")
	idle.want("421 4.3.2 ", "<closed>")
	busy.say("RCPT TO:<b@b.test>", "250 ")
	busy.say("DATA", "354 ")
	busy.say("hello\r\n.", "250 ", "421 4.3.2 ", "<closed>")
	if err := wait(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", other.Addr().String()); err == nil {
		t.Error("the listener is open")
	}
	kept.say("NOOP", "250 ")
	if n := len(h.listeners); n != 1 {
		t.Errorf("%d listeners", n)
	}
}
