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

// Control headers never leave the relay, trusted or not and however they are written.
// The one exception is the value of a trusted X-Heymarket-Title.
func TestTrustedHeadersStay(t *testing.T) {
	const head = "X-Heymarket-Idempotency-Key: secret-key\r\n" +
		"x-heymarket-priority:\r\n high\r\n" +
		"X-HEYMARKET-NEW-CONVERSATION: yes\r\n" +
		"X-Heymarket-Title: secret-title\r\n" +
		"X-Heymarket-Later: secret-later\r\n"
	for _, text := range []string{
		head + "To: a@example.com\r\nSubject: x\r\n\r\nx\r\n",
		"To: a@example.com\r\nSubject: x\r\nno field\r\n" + head + "\r\nx\r\n",
		"To: a@example.com\r\nSubject: x\r\n \r\nno field\r\n" + head + "\r\nx\r\n",
		"To: a@example.com\r\n" + head + "Subject: x\r\n\r\n",
		"To: a@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\n" + head +
			"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
	} {
		trusted, untrusted := callsFor(t, "true", text), callsFor(t, "false", text)
		for _, secret := range []string{"x-heymarket-", "secret-key", "secret-later", "new-conversation"} {
			checkAbsent(t, trusted, secret)
			checkAbsent(t, untrusted, secret)
		}
		checkAbsent(t, untrusted, "secret-title")
	}
}

func checkAbsent(t *testing.T, calls []string, secret string) {
	t.Helper()
	for _, call := range calls {
		if strings.Contains(call, secret) {
			t.Errorf("%q left in %q", secret, call)
		}
	}
}

// callsFor returns everything that leaves for one message.
func callsFor(t *testing.T, trusts, text string) []string {
	t.Helper()
	w := &wire{api: sandbox.New(sandbox.Options{})}
	sent := sink{events.Sent, make(chan events.Event, 1)}
	cfg := parse(t, strings.Replace(oneRoute, "creator_id: 55}", "creator_id: 55, trust_headers: "+trusts+"}", 1))
	r, err := New(cfg, Parts{Store: open(t), Sink: sent, Transport: w, Random: rand.Reader, Listen: nowhere})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	running.Go(func() { r.scheduler.Run(ctx) })
	submit(t, r, "Q", "a@example.com", text)
	<-sent.got
	stop()
	running.Wait()
	return w.calls
}
