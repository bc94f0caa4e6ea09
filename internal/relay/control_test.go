package relay

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/smtpd"
)

// wire keeps every call as it leaves.
type wire struct {
	api   *sandbox.Sandbox
	mu    sync.Mutex
	calls []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	w.mu.Lock()
	w.calls = append(w.calls, r.URL.String()+" "+strings.ToLower(string(body)))
	for name, values := range r.Header {
		w.calls = append(w.calls, strings.ToLower(name+": "+strings.Join(values, " ")))
	}
	w.mu.Unlock()
	return w.api.RoundTrip(r)
}

// What the application says to the gateway never leaves it, obeyed or not, however
// it is written; but for a title that is obeyed.
func TestTrustedHeadersStay(t *testing.T) {
	const head = "X-Heymarket-Idempotency-Key: secret-key\r\nx-heymarket-priority:\r\n high\r\nX-HEYMARKET-NEW-CONVERSATION: yes\r\nX-Heymarket-Title: secret-title\r\nX-Heymarket-Later: secret-later\r\n"
	for _, text := range []string{
		head + "To: a@example.com\r\nSubject: x\r\n\r\nx\r\n",
		"To: a@example.com\r\nSubject: x\r\nno field\r\n" + head + "\r\nx\r\n",
		"To: a@example.com\r\n" + head + "Subject: x\r\n\r\n",
		"To: a@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\n" + head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
	} {
		for _, trusts := range []string{"true", "false"} {
			for _, call := range callsFor(t, trusts, text) {
				for _, secret := range []string{"x-heymarket-", "secret-key", "secret-later", "new-conversation"} {
					if strings.Contains(call, secret) {
						t.Errorf("%q (trust_headers: %s) left in %q", secret, trusts, call)
					}
				}
				if trusts == "false" && strings.Contains(call, "secret-title") {
					t.Errorf("a title that is not obeyed left in %q", call)
				}
			}
		}
	}
}

// callsFor is all that leaves for one message.
func callsFor(t *testing.T, trusts, text string) []string {
	t.Helper()
	w := &wire{api: sandbox.New(sandbox.Options{})}
	sent := sink{events.Sent, make(chan events.Event, 1)}
	cfg := parse(t, strings.Replace(oneRoute, "creator_id: 55}", "creator_id: 55, trust_headers: "+trusts+"}", 1))
	g, err := New(cfg, Parts{Store: open(t), Sink: sent, Transport: w, Random: rand.Reader, Listen: nowhere})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	running.Go(func() { g.scheduler.Run(ctx) })
	env := &smtpd.Envelope{QueueID: "Q", From: "app@example.com", Rcpt: []string{"a@example.com"}, Received: g.now()}
	if r := g.Handle(ctx, env, []byte(text)); r.Code != 250 {
		t.Fatalf("%d %s: %q", r.Code, r.Text, text)
	}
	<-sent.got
	stop()
	running.Wait()
	return w.calls
}
