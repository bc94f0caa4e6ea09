package smtpd

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestTrace(t *testing.T) {
	at := time.Date(2026, 11, 5, 9, 3, 2, 0, time.FixedZone("", 3600))
	const date = "; Thu, 05 Nov 2026 09:03:02 +0100\r\n"
	const toBob = "\r\n\tfor <bob@example.com>"
	for want, e := range map[string]Envelope{
		"Received: from app.test ([192.0.2.1])\r\n\tby relay.test (heyrelay) with ESMTPSA id Q1" + toBob + date: {
			Client:   netip.MustParseAddr("192.0.2.1"),
			Hello:    "app.test",
			Protocol: "ESMTPSA",
			Rcpt:     []string{"bob@example.com"},
		},
		"Received: from unknown ([IPv6:2001:db8::1])\r\n\tby relay.test (heyrelay) with SMTP id Q1" + date: {
			Client:   netip.MustParseAddr("2001:db8::1"),
			Hello:    "x) by evil",
			Protocol: "SMTP",
			Rcpt:     []string{"bob@example.com", "blind@example.com"},
		},
		"Received: from [192.0.2.7] ([192.0.2.1])\r\n\tby relay.test (heyrelay) with ESMTP id Q1" + toBob + date: {
			Client:   netip.MustParseAddr("192.0.2.1"),
			Hello:    "[192.0.2.7]",
			Protocol: "ESMTP",
			Rcpt:     []string{"bob@example.com"},
		},
		"Received: from localhost (unix socket)\r\n\tby relay.test (heyrelay) with ESMTP id Q1" + toBob + date: {
			Hello:    "app.test",
			Protocol: "ESMTP",
			Rcpt:     []string{"bob@example.com"},
		},
	} {
		e.QueueID, e.Received = "Q1", at
		if got := string(e.Trace("relay.test")); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// A message has room in front for its trace field. Another, or a long name, takes a copy.
func TestWithTrace(t *testing.T) {
	long := strings.Repeat("relay.", 100) + "test"
	for _, content := range []string{"a\r\n", "a\n\nb", strings.Repeat("0123456789\r\n", 10_000)} {
		b := messageBuffer{memory: newMemory(), account: "a", limits: Limits{}.orDefaults()}
		if err := b.read(strings.NewReader(content), 0); err != nil {
			t.Fatal(err)
		}
		if err := b.normalizeLineEndings(); err != nil {
			t.Fatal(err)
		}
		received := Envelope{QueueID: "Q1", buffer: &b}
		other := Envelope{QueueID: "Q1"}
		for _, test := range []struct {
			e      Envelope
			by     string
			raw    []byte
			shared bool
		}{
			{received, "relay.test", b.raw, true},
			{received, long, b.raw, false},
			{received, "relay.test", bytes.Clone(b.raw), false},
			{received, "relay.test", nil, false},
			{other, "relay.test", b.raw, false},
		} {
			whole := test.e.WithTrace(test.by, test.raw)
			if want := string(test.e.Trace(test.by)) + string(test.raw); string(whole) != want {
				t.Errorf("%.50q by %.10s: got %.300q, want %.300q", content, test.by, whole, want)
			}
			if shared := &whole[len(whole)-1] == &b.raw[len(b.raw)-1]; shared != test.shared {
				t.Errorf("%.50q by %.10s: shared %v", content, test.by, shared)
			}
		}
	}
}

func TestProtocol(t *testing.T) {
	for want, c := range map[string]*conn{
		"SMTP": {}, "ESMTP": {extended: true}, "ESMTPS": {extended: true, encrypted: true},
		"ESMTPA": {extended: true, user: "bob"}, "ESMTPSA": {encrypted: true, user: "bob"},
	} {
		if got := c.protocol(false); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	secret := conn{extended: true, encrypted: true, user: "bob"}
	if got := secret.protocol(true); got != "UTF8SMTPSA" {
		t.Error(got)
	}
}

// The protocol reaches the Handler.
func TestProtocolReachesTheHandler(t *testing.T) {
	h := openTLS(t, false, Settings{Users: []User{testUser(t, "bob sesame")}}, &recorder{})
	c := h.dial(t)
	c.startTLS()
	c.hi()
	c.say("AUTH PLAIN AGJvYgBzZXNhbWU=", "235 ")
	c.data()
	c.say(".", "250 ")
	if got := h.messages()[0].Protocol; got != "ESMTPSA" {
		t.Error(got)
	}
}

// Only trace fields of this server are recognized, however they were folded.
func TestTraced(t *testing.T) {
	ours := "from app.test ([192.0.2.1]) by relay.test (heyrelay) with ESMTPSA id Q1 " +
		"for <bob@example.com>; Thu, 05 Nov 2026 09:03:02 +0100"
	e := Envelope{QueueID: "Q1", Protocol: "ESMTP", Hello: "app.test", Rcpt: []string{"bob@example.com"}}
	_, written, _ := strings.Cut(string(e.Trace("relay.test")), ":")
	for value, want := range map[string]bool{
		written:                                 true,
		ours:                                    true,
		strings.ReplaceAll(ours, " ", "\r\n\t"): true,
		strings.Replace(ours, "relay", "RELAY", 1):         true,
		strings.Replace(ours, "relay", "other", 1):         false, // another of our kind
		strings.Replace(ours, "heyrelay", "Postfix", 1):    false,
		strings.Replace(ours, "(heyrelay) ", "", 1):        false,
		"from relay.test by mx.test with ESMTP id Q1":      false,
		"from x by mx.test with LMTP id 2 (by relay.test)": false,
		"by relay.test (heyrelay)":                         false,
		"":                                                 false,
	} {
		if Traced(value, "relay.test") != want {
			t.Errorf("%q: want %v", value, want)
		}
	}
}
