package relay

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
)

const withFiles = `
hostname: relay.example.com
listeners: [{address: "127.0.0.1:0"}]
teams: {shop: {secrets: [{id: demo, key_file: team}]}}
routes:
  - inbox: 202
    creator_id: 55
    shadow: {next: "smtp://127.0.0.1:26", user: heyrelay, password_file: next}
bounces: {smarthost: "smtp://127.0.0.1:25", user: heyrelay, password_file: smarthost}
events: {url: "https://ops.example.com", secret_file: webhook}
`

// files are the files of secrets in a directory.
type files struct {
	t   *testing.T
	dir string
}

func (f files) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text+"\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f files) remove(name string) {
	f.t.Helper()
	if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f files) load(text string) *config.Config {
	f.t.Helper()
	cfg, err := config.Parse(filepath.Join(f.dir, "heyrelay.yaml"), []byte(text), os.LookupEnv)
	if err != nil {
		f.t.Fatal(err)
	}
	return cfg
}

func hook(n byte) string { return "whsec_" + strings.Repeat(string("MNOP"[n])+"DEy", 8) }

func newFiles(t *testing.T) files {
	f := files{t: t, dir: t.TempDir()}
	f.write("team", sandbox.DemoSecretKey)
	f.write("smarthost", "first")
	f.write("next", "first")
	f.write("webhook", hook(0))
	return f
}

// recorder keeps all events.
type recorder struct {
	mu  sync.Mutex
	all []events.Event
}

func (r *recorder) Record(e events.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

// lines returns kind and reason of the events since the last call.
func (r *recorder) lines() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, e := range r.all {
		lines = append(lines, fmt.Sprintf("%s %s", e.Kind, e.Reason))
	}
	r.all = nil
	return strings.Join(lines, "\n")
}

func newSecretsRelay(t *testing.T, f files) (*Relay, *recorder) {
	t.Helper()
	rec := &recorder{}
	r, err := New(f.load(withFiles), Parts{Store: open(t), Sink: rec, Random: rand.Reader, Listen: nowhere})
	if err != nil {
		t.Fatal(err)
	}
	return r, rec
}

// The passwords of the smarthost and of a next hop, and the key of the webhook, are those that
// their files have when they are used. An unusable file leaves the previous one in use.
func TestSecretsAreReadWhenUsed(t *testing.T) {
	f := newFiles(t)
	r, rec := newSecretsRelay(t, f)
	s := r.setup.Load()
	next := s.nextHops[s.cfg.Routes[0].Name]
	f.write("smarthost", "second")
	f.write("next", "third")
	f.write("webhook", hook(1))
	want, _ := f.load(withFiles).Events.Key()
	if got := s.notify.Mailer.Server.Password(); got != "second" {
		t.Errorf("password %q", got)
	}
	if got := next.Password(); got != "third" {
		t.Errorf("password of the next hop %q", got)
	}
	if got := s.notify.Webhook.Key(); string(got) != string(want) {
		t.Errorf("key %q, want %q", got, want)
	}
	f.write("webhook", "whsec_short")
	if got := s.notify.Webhook.Key(); string(got) != string(want) {
		t.Errorf("an invalid key is used: %q", got)
	}
	f.remove("smarthost")
	if got := s.notify.Mailer.Server.Password(); got != "second" {
		t.Errorf("without a file the password is %q", got)
	}
	f.remove("next")
	for range 3 { // of many messages
		if got := next.Password(); got != "third" {
			t.Errorf("without a file the password of the next hop is %q", got)
		}
	}
	got := rec.lines()
	if n := strings.Count(got, "shadow.password"); n != 1 {
		t.Errorf("the same error was recorded %d times", n)
	}
	for _, part := range []string{
		"events.secret cannot be read",
		"bounces.password cannot be read",
		"shadow.password of route inbox-202 cannot be read",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("recorded %q, want %q", got, part)
		}
	}
}

// Files of credentials are read again while the relay runs. An error is recorded
// once.
func TestWatchSecrets(t *testing.T) {
	f := newFiles(t)
	r, rec := newSecretsRelay(t, f)
	synctest.Test(t, func(t *testing.T) {
		go r.watchSecrets(t.Context())
		pass := func() string {
			<-time.After(10 * secretsInterval)
			synctest.Wait()
			return rec.lines()
		}
		if got := pass(); got != "" {
			t.Errorf("without a change %q", got)
		}
		f.write("team", "another")
		if got := pass(); got != "reloaded the team's credentials have changed" {
			t.Errorf("after a change %q", got)
		}
		f.remove("team")
		const want = "error the credentials of team shop cannot be read again; the previous ones remain in use"
		if got := pass(); got != want {
			t.Errorf("without the file %q", got)
		}
		f.write("team", "third")
		if got := pass(); got != "reloaded the team's credentials have changed" {
			t.Errorf("with a file again %q", got)
		}
	})
}
