package intake

import (
	"strings"
	"testing"
	"time"

	"heyrelay/internal/config"
	"heyrelay/smtpd"
)

// What is kept of a message begins with a Received field of ours; what it is known
// by when it comes again does not.
func TestStoredSource(t *testing.T) {
	const file = "hostname: relay.test\nteams: {shop: {api_key: x}}\nroutes: [{inbox: 202, creator_id: 55}]\n"
	cfg, err := config.Parse("test", []byte(file), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	p := planner{cfg: cfg, newLocalID: func() string { return "id" }}
	const raw = "Subject: Hello\r\n\r\nHi.\r\n"
	plan := func(queueID string) *Plan {
		env := &smtpd.Envelope{QueueID: queueID, Protocol: "ESMTPS", From: "app@app.test", Rcpt: []string{"bob@example.com"}, Received: time.Now()}
		plan, err := p.plan(env, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	first, again := plan("Q1"), plan("Q2")
	if got := string(first.Message.Raw); !strings.HasPrefix(got, "Received: from ") || !strings.Contains(got, "by relay.test (heyrelay) with ESMTPS id Q1") || !strings.HasSuffix(got, "\r\n"+raw) {
		t.Errorf("%q", got)
	}
	if first.Message.Fingerprint != again.Message.Fingerprint {
		t.Error("the same message is not known again")
	}
}
