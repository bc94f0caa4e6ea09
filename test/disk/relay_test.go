package disk

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/test/process"
)

const relayConfig = `
hostname: relay.example.com
listeners: [{address: %q}]
heymarket: {base_url: "http://%s"}
teams: {shop: {secrets: [{id: demo, key_file: key}], rate: 6000000/min}}
routes: [{inbox: 202, creator_id: 55}]
spool: {url: "sqlite:%s", min_free: %s}
`

// relay is a serve on a spool in a folder of the test's choice.
type relay struct {
	*process.Process
	binary, config string
	smtp           string // addresses
	api            string
	spool          string // file
}

// newRelay makes one that is not started yet. Nobody answers for its API yet.
func newRelay(t *testing.T, dir, minFree string) *relay {
	t.Helper()
	home := t.TempDir()
	r := &relay{
		binary: process.Build(t), config: filepath.Join(home, "heyrelay.yaml"),
		smtp: process.FreeAddress(t), api: process.FreeAddress(t), spool: filepath.Join(dir, "spool.db"),
	}
	text := fmt.Sprintf(relayConfig, r.smtp, r.api, r.spool, minFree)
	for name, text := range map[string]string{"key": "not-a-secret", "heyrelay.yaml": text} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *relay) start(t *testing.T) {
	t.Helper()
	r.Process = process.Start(t, r.binary, "serve", "-c", r.config)
	r.Await("msg=listening")
}

// refuses sees that it does not start, but says why in one line, and returns that.
func (r *relay) refuses(t *testing.T) string {
	t.Helper()
	p := process.Start(t, r.binary, "serve", "-c", r.config)
	if code := p.Ended(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	_, line, _ := strings.Cut("\n"+p.Output(), "\nheyrelay: ") // after warnings
	if line == "" || strings.Contains(line, "\n") {
		t.Errorf("not one line, but %q", line)
	}
	return line
}

// serveAPI answers for the API from now on.
func (r *relay) serveAPI(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	l, err := net.Listen("tcp", r.api)
	if err != nil {
		t.Fatal(err)
	}
	api := sandbox.New(o)
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: api}}
	server.Start()
	t.Cleanup(server.Close)
	return api
}

// send hands over message i and returns the code of the answer.
func (r *relay) send(t *testing.T, i int) int {
	t.Helper()
	to := fmt.Sprintf("u%d@example.com", i)
	padding := strings.Repeat("All work and no play makes Jack a dull boy.\r\n", 50)
	text := fmt.Sprintf("To: <%s>\r\nSubject: Mail\r\nMessage-ID: <%d@disk>\r\nDate: %s\r\n\r\nmail-%d.\r\n%s",
		to, i, time.Now().Format(time.RFC1123Z), i, padding)
	err := smtp.SendMail(r.smtp, nil, "app@example.com", []string{to}, []byte(text))
	var refused *textproto.Error
	switch {
	case err == nil:
		return 250
	case errors.As(err, &refused):
		return refused.Code
	}
	t.Errorf("message %d: %v", i, err)
	return 0
}

// sends hands over message i, which is to be answered with a code.
func (r *relay) sends(t *testing.T, i, code int) {
	t.Helper()
	if got := r.send(t, i); got != code {
		t.Errorf("message %d was answered %d, want %d", i, got, code)
	}
}

// arrived waits until the API has n messages, and sees that it has each of 0 to
// n-1 once.
func arrived(t *testing.T, api *sandbox.Sandbox, n int) {
	t.Helper()
	process.Await(t, func() error {
		if came := len(api.Messages()); came < n {
			return fmt.Errorf("%d of %d messages arrived", came, n)
		}
		return nil
	})
	got := map[string]int{}
	for _, m := range api.Messages() {
		var r process.Request
		if err := json.Unmarshal(m.Request, &r); err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(r.RawText, "\n")
		got[strings.TrimSpace(first)]++
	}
	for i := range n {
		if times := got[fmt.Sprintf("mail-%d.", i)]; times != 1 {
			t.Errorf("message %d arrived %d times", i, times)
		}
	}
}

// ends stops the relay and looks for contradictions in its spool.
func (r *relay) ends(t *testing.T) {
	t.Helper()
	if code := r.Stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	store, err := sqlite.Open(t.Context(), r.spool, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

const spoilt = `
SELECT rootpage, page_size
  FROM (SELECT name, rootpage FROM sqlite_schema UNION SELECT 'sqlite_schema', 1), pragma_page_size
 WHERE name = ?`

// spoil has the first page of a table hold something else than was written.
func (r *relay) spoil(t *testing.T, table string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+r.spool)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var page, size int64
	err = db.QueryRowContext(t.Context(), spoilt, table).Scan(&page, &size)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(r.spool, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0x55}, int(size)), (page-1)*size); err != nil {
		t.Fatal(err)
	}
}

// Damage that is found at the start: heyrelay does not start, and one line explains why.
func TestDamagedAtStart(t *testing.T) {
	r := newRelay(t, t.TempDir(), "1MB")
	r.start(t)
	r.sends(t, 0, 250)
	r.ends(t)
	r.spoil(t, "sqlite_schema")
	line := r.refuses(t)
	if !strings.Contains(line, "the spool is damaged: ") || !strings.Contains(line, "what to do: stop heyrelay") {
		t.Errorf("it says %s", line)
	}
}

// Damage that is met only while mail comes in: that message and all later ones
// stay with the client, the log says what to do, and what was accepted is sent.
func TestDamaged(t *testing.T) {
	r := newRelay(t, t.TempDir(), "1MB")
	r.start(t)
	r.sends(t, 0, 250)
	r.ends(t)
	r.spoil(t, "link")
	r.start(t)
	r.sends(t, 1, 451)
	reason := r.Await("refused.*Internal error.*the spool is damaged: (.*)")
	if !strings.Contains(reason, "what to do: stop heyrelay") {
		t.Errorf("the reason is %s", reason)
	}
	arrived(t, r.serveAPI(t, sandbox.Options{}), 1)
	if code := r.Stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
}

// One of three messages is damaged: it fails, and its operator sees why. The others are sent, and mail is accepted.
func TestDamagedMessage(t *testing.T) {
	r := newRelay(t, t.TempDir(), "1MB")
	r.start(t)
	for _, i := range []int{2, 0, 1} {
		r.sends(t, i, 250)
	}
	r.ends(t)
	db, err := sql.Open("sqlite", "file:"+r.spool)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const damage = "UPDATE content SET raw = substr(raw, 1, 40) WHERE message = (SELECT min(message) FROM content)"
	if _, err := db.ExecContext(t.Context(), damage); err != nil {
		t.Fatal(err)
	}
	r.start(t)
	arrived(t, r.serveAPI(t, sandbox.Options{}), 2)
	id := r.Await(`message (\S+) is damaged and fails: check the disk; others are not affected`)
	show := process.Start(t, r.binary, "queue", "show", "-c", r.config, id)
	show.Ended()
	if shown := show.Output(); !strings.Contains(shown, "failed") || !strings.Contains(shown, "its checksum is wrong") {
		t.Errorf("the operator sees\n%s", shown)
	}
	r.sends(t, 3, 250)
	if code := r.Stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
}
