package intake

import (
	"strings"
	"testing"
	"time"

	"heyrelay/smtpd"
)

// The stored source of a message begins with a Received field of this relay, which
// its fingerprint does not include.
func TestStoredSource(t *testing.T) {
	p := testPlanner(parse(t, oneRoute))
	const raw = "Subject: Hello\r\n\r\nHi.\r\n"
	plan := func(queueID string) *Plan {
		plan, err := p.plan(&smtpd.Envelope{
			QueueID:  queueID,
			Protocol: "ESMTPS",
			From:     "app@app.test",
			Rcpt:     []string{"bob@example.com"},
			Received: time.Now(),
		}, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	first, again := plan("Q1"), plan("Q2")
	source := string(first.Message.Raw)
	if !strings.HasPrefix(source, "Received: from ") || !strings.HasSuffix(source, "\r\n"+raw) {
		t.Errorf("%q", source)
	}
	if !strings.Contains(source, "by relay.example.com (heyrelay) with ESMTPS id Q1") {
		t.Errorf("%q does not name this relay", source)
	}
	if first.Message.Fingerprint != again.Message.Fingerprint {
		t.Error("the same message has two fingerprints")
	}
}
