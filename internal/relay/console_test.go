package relay

import (
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

// withConsole makes a relay with more configuration, and the console's URL up to the path.
func withConsole(t *testing.T, more string) (r *Relay, base string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spool.db")
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	operator, err := sqlite.OpenOperator(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { operator.Close() })
	r, err = New(parse(t, oneRoute+more), Parts{
		Store: store, Operator: operator, Sink: events.Sinks{}, Random: rand.Reader,
		Transport: sandbox.New(sandbox.Options{}), Listen: net.Listen,
	})
	if err != nil {
		t.Fatal(err)
	}
	base, _, _ = strings.Cut(r.ConsoleURL(), "/login?token=")
	return r, base
}

// The console's listener serves its pages to who logs in, and metrics and probes to everybody.
func TestConsole(t *testing.T) {
	r, base := withConsole(t, "console: {address: \"127.0.0.1:0\"}\n")
	run(t, r)
	for path, want := range map[string]string{
		"/metrics": "heyrelay_build_info", "/livez": "alive", "/readyz": "serving", "/": "Log in with a token",
		"/api/v1/overview": "no valid login",
	} {
		if code, body := get(t, base+path); !strings.Contains(body, want) {
			t.Errorf("%s: %d without %q\n%s", path, code, want, body)
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Jar: jar}
	resp, err := client.Get(r.ConsoleURL())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Request.URL.String() != base+"/" {
		t.Errorf("%s at %s", resp.Status, resp.Request.URL)
	}
}

// With an address of their own, metrics and probes are not on the console's listener.
func TestConsoleBesideMetrics(t *testing.T) {
	r, base := withConsole(t, "metrics: {address: \"127.0.0.1:0\"}\nconsole: {address: \"127.0.0.1:0\"}\n")
	r.pages.run()
	defer r.pages.serving.Wait()
	defer r.pages.close()
	if code, body := get(t, base+"/livez"); !strings.Contains(body, "Log in") {
		t.Errorf("livez of the console: %d\n%s", code, body)
	}
	if code, body := get(t, "http://"+r.PagesAddr().String()+"/livez"); code != 200 || body != "alive\n" {
		t.Errorf("livez: %d %s", code, body)
	}
}

// The admin API shows what the relay does: a message, the body that was posted, and its events.
func TestConsoleAPI(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	const token = "a-token-of-more-than-24-characters"
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _ := withConsole(t, "console: {address: \"127.0.0.1:0\", tokens: [{role: operate, token_file: "+file+"}]}\n")
	base, _ := strings.CutSuffix(r.ConsoleURL(), "/")
	run(t, r)
	happens, end, _ := r.stream.Subscribe()
	defer end()
	env := &smtpd.Envelope{QueueID: "Q1", From: "app@example.com", Rcpt: []string{"alice@example.com"}}
	raw := "To: alice@example.com\r\nMessage-ID: <m1@example.com>\r\nSubject: Printer\r\n\r\nIt burns.\r\n"
	if reply := r.Handle(t.Context(), env, []byte(raw)); reply.Code != 250 {
		t.Fatalf("%+v", reply)
	}
	for e := range happens {
		if e.Kind == events.Sent {
			break
		}
	}
	for path, want := range map[string]string{
		"/messages?message_id=m1@example.com": `"state":"sent"`,
		"/messages/Q1":                        `"message_ids":["m1@example.com"]`,
		"/messages/Q1/sends":                  `"raw_text":"It burns.`,
		"/messages/Q1/raw":                    "\r\nIt burns.",
		"/overview":                           `"calls_by_team":{"shop":1}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v1"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s without %s (%v)\n%s", path, resp.Status, want, err, body)
		}
	}
}
