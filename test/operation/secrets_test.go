package operation

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"heyrelay/internal/sandbox"
	"heyrelay/test/process"
)

// gate is an API that accepts the tokens of certain secrets, in front of a sandbox.
type gate struct {
	api    *sandbox.Sandbox
	server *httptest.Server
	url    string

	mu      sync.Mutex
	secrets map[string]string // id to key
	slow    chan struct{}     // calls are judged once it is closed; nil: at once
	arrived chan struct{}     // is closed by the first slow call
	hanging chan string       // receives the bodies of calls, which are then never answered; nil: calls are answered
}

func newGate(t *testing.T, id, key string) *gate {
	g := &gate{api: sandbox.New(sandbox.Options{}), secrets: map[string]string{id: key}}
	g.server = httptest.NewServer(g)
	t.Cleanup(g.server.Close)
	g.url = g.server.URL
	return g
}

// hang has calls wait without end, or be answered again if calls is nil.
func (g *gate) hang(calls chan string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hanging = calls
}

func (g *gate) calls() chan string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hanging
}

// delay has calls wait until slow is closed before their secret is judged, and returns what the first of
// them closes.
func (g *gate) delay(slow chan struct{}) (first <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slow = slow
	g.arrived = make(chan struct{})
	return g.arrived
}

// wait waits if calls are to be slow.
func (g *gate) wait() {
	g.mu.Lock()
	slow := g.slow
	if g.arrived != nil {
		close(g.arrived)
		g.arrived = nil
	}
	g.mu.Unlock()
	if slow != nil {
		<-slow
	}
}

// accept adds a secret, or replaces its key.
func (g *gate) accept(id, key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.secrets[id] = key
}

// revoke removes a secret.
func (g *gate) revoke(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.secrets, id)
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sandbox/") {
		g.api.ServeHTTP(w, r)
		return
	}
	g.wait()
	if !g.authentic(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
		http.Error(w, `{"error": "unauthorized"}`, http.StatusUnauthorized)
		return
	}
	if calls := g.calls(); calls != nil {
		body, _ := io.ReadAll(r.Body)
		calls <- string(body)
		<-r.Context().Done()
		return
	}
	r.Header.Set("Authorization", "Bearer "+sandbox.DemoAPIKey)
	g.api.ServeHTTP(w, r)
}

func (g *gate) authentic(token string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, err := jwt.Parse(token, func(t *jwt.Token) (any, error) {
		id, err := t.Claims.GetIssuer()
		key, ok := g.secrets[id]
		if err != nil || !ok {
			return nil, errors.New("unknown secret")
		}
		return []byte(id + "||" + key), nil
	})
	return err == nil
}

const rotating = `
hostname: relay.example.com
listeners: [{address: %q}]
heymarket: {base_url: %q, timeout: 5s}
shutdown_timeout: 1s
teams: {shop: {secrets: [{id: %s, key_file: %s}], rate: 6000000/min}}
routes: [{inbox: 202, creator_id: 55}]
limits: {connections: %d}
spool: {url: "sqlite:spool.db", min_free: 1MB}
`

// house is a serve and its files.
type house struct {
	t       *testing.T
	binary  string
	dir     string
	config  string // file
	smtp    string
	gate    *gate
	process *process.Process
}

// newHouse returns a house with a key, whose configuration is still to be written.
func newHouse(t *testing.T, key string) *house {
	h := &house{
		t:      t,
		binary: process.Build(t),
		dir:    t.TempDir(),
		smtp:   process.FreeAddress(t),
		gate:   newGate(t, "old", key),
	}
	h.config = filepath.Join(h.dir, "heyrelay.yaml")
	h.write("old.key", key)
	return h
}

func startHouse(t *testing.T) *house {
	h := newHouse(t, "old-key")
	h.configure("old", "old.key", 1000)
	h.start()
	return h
}

func (h *house) start() {
	h.t.Helper()
	h.process = process.Start(h.t, h.binary, "serve", "-c", h.config)
	h.process.Await("msg=listening")
}

func (h *house) text(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

func (h *house) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) configure(id, file string, connections int) {
	h.t.Helper()
	h.write("heyrelay.yaml", fmt.Sprintf(rotating, h.smtp, h.gate.url, id, file, connections))
}

// Under load, SIGHUP replaces a team's secret by another one with another id. No
// session ends, no message is lost or doubled, and no call fails.
func TestHangup(t *testing.T) {
	h := startHouse(t)
	const sessions, before, after = 8, 10, 10
	var sending sync.WaitGroup
	reloaded := make(chan struct{})
	slow := make(chan struct{})
	judge := sync.OnceFunc(func() { close(slow) })
	t.Cleanup(judge) // the gate cannot close while calls wait
	first := h.gate.delay(slow)
	for n := range sessions {
		s := dial(t, h.smtp)
		s.do("HELO app", "250 ")
		sending.Go(func() {
			for i := range before + after {
				if i == before {
					<-reloaded
				}
				s.message(fmt.Sprintf("c%d.%d@example.com", n, i))
			}
		})
	}
	<-first // with the old secret, which is judged when it is revoked
	h.write("new.key", "new-key")
	h.configure("new", "new.key", 500)
	h.gate.accept("new", "new-key")
	h.process.Signal(syscall.SIGHUP)
	h.process.Await(`msg=reloaded .*changed limits.connections, teams.shop.secrets\[0\].id, teams.shop.secrets\[0\].key"`)
	h.gate.revoke("old")
	judge()
	close(reloaded)
	sending.Wait()
	all := process.AwaitMessages(t, h.gate.url, sessions*(before+after))
	if got := recipients(all); len(all) != len(got) || len(got) != sessions*(before+after) {
		t.Errorf("%d messages to %d recipients", len(all), len(got))
	}
	if code := h.process.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, line := range []string{"msg=deferred", "msg=held", "msg=failed"} {
		if strings.Contains(h.process.Output(), line) {
			t.Errorf("a call failed: %s", line)
		}
	}
}

// message sends a message in an open session.
func (s *session) message(to string) {
	s.do("MAIL FROM:<app@example.com>", "250 ")
	s.do("RCPT TO:<"+to+">", "250 ")
	s.do("DATA", "354 ")
	s.do("To: "+to+"\r\nSubject: Mail\r\nMessage-ID: <"+to+">\r\n\r\nHello.\r\n.", "250 2.0.0 Ok: queued as ")
}

func recipients(all []process.Message) map[string]bool {
	to := map[string]bool{}
	for _, m := range all {
		to[strings.Join(m.Request.Targets, " ")] = true
	}
	return to
}

// A key file that was replaced is read again when the API refuses the old key: the
// same call succeeds, without a signal and without a hold.
func TestKeyFileIsReplaced(t *testing.T) {
	h := startHouse(t)
	send(t, h.smtp, 1)
	process.AwaitMessages(t, h.gate.url, 1)
	h.write("old.key", "new-key\n")
	h.gate.accept("old", "new-key")
	send(t, h.smtp, 2)
	if what := h.process.Await(`msg=(held|reloaded .*credentials have changed.* team=shop)`); what == "held" {
		t.Fatal("the team was held")
	}
	process.AwaitMessages(t, h.gate.url, 2)
	if out := h.process.Output(); strings.Contains(out, "msg=held") {
		t.Error("the team was held")
	}
}

// SIGHUP with an invalid configuration is logged and changes nothing.
func TestHangupInvalid(t *testing.T) {
	h := startHouse(t)
	h.write("heyrelay.yaml", "teams: [\n")
	h.process.Signal(syscall.SIGHUP)
	h.process.Await(`msg=error reason="the configuration could not be reloaded; the previous one stays active"`)
	send(t, h.smtp, 1)
	process.AwaitMessages(t, h.gate.url, 1)
	if code := h.process.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
