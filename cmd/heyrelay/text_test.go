package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// hostile contains what could control or deceive a terminal: controls, bidi, zero-width and other
// invisible characters, tags.
const hostile = "a\x1b[2J\u009b1m\u202eb\u2066\u200b\u200d\ufeff\u00ad\u034f\u3164\u2028\U000e0041"

// checkShown checks that text has nothing hostile left.
func checkShown(t *testing.T, text string) {
	t.Helper()
	for _, r := range strings.ReplaceAll(text, "\n", "") {
		if !isShown(r) {
			t.Errorf("%q contains %q", text, r)
		}
	}
}

func TestPrintable(t *testing.T) {
	checkShown(t, printable(hostile))
	checkShown(t, printableLines("x\r\n"+hostile))
	const honest = "Grüße, 木, é \\ \"x\""
	if got := printable(honest); got != honest {
		t.Errorf("%q became %q", honest, got)
	}
}

// An attempt whose process was killed says so, as in the console.
func TestAttemptWithoutOutcome(t *testing.T) {
	began := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	for want, a := range map[string]spool.AttemptDetail{
		"send, active, or its outcome was not recorded": {Call: "send", Began: began},
		"send, took 40ms, HTTP 200": {
			Call:   "send",
			Began:  began,
			Ended:  began.Add(40 * time.Millisecond),
			Status: 200,
		},
	} {
		if got := attemptOf(a, false); got != when(began)+", "+want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// JSON is escaped for people who read it, and means the same to programs.
func TestNewJSON(t *testing.T) {
	var out strings.Builder
	e := newJSON(&out)
	e.SetIndent("", "  ")
	want := map[string]string{"title": hostile + "Grüße <木> \\u0041"}
	if err := e.Encode(want); err != nil {
		t.Fatal(err)
	}
	checkShown(t, out.String())
	if !strings.Contains(out.String(), "Grüße <木>") {
		t.Errorf("%s escapes too much", out.String())
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || got["title"] != want["title"] {
		t.Errorf("%q (%v), want %q", got, err, want)
	}
}

// Names of inboxes and members, and what an API answers, are escaped.
func TestInboxesAreEscaped(t *testing.T) {
	name, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/inboxes") {
			fmt.Fprintf(w, `[{"id": 202, "name": %s, "members": [{"id": 55, "name": %s}]}]`, name, name)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error": %s}`, name)
	}))
	defer api.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, failures strings.Builder
	p := &program{ctx: context.Background(), stdin: strings.NewReader(""), stdout: &out, stderr: &failures}
	code := p.run([]string{"inboxes", "--secret-id", "x", "--secret-key-file", key, "--base-url", api.URL})
	if code != 0 || !strings.Contains(out.String(), "202") || !strings.Contains(out.String(), `\u202e`) {
		t.Errorf("exit code %d: %s%s", code, out.String(), failures.String())
	}
	checkShown(t, out.String())
	checkShown(t, failures.String())
}

// TestNoCommandControlsTheTerminal gives hostile arguments, a hostile configuration and a hostile
// message to commands that run without a relay.
func TestNoCommandControlsTheTerminal(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const config = "teams: {shop: {api_key: x%s}}\nroutes: [{inbox: 202, creator_id: 55, name: \"%s\"}]\n%s"
	named := file("named.yaml", fmt.Sprintf(config, "", hostile, ""))
	broken := file("broken.yaml", fmt.Sprintf(config, hostile, hostile, "\""+hostile+"\": 1\n"))
	mail := file("mail.eml", "From: "+hostile+" <a@example.com>\nTo: b@example.com\nSubject: "+hostile+
		"\nX-Heymarket-"+hostile+": x\n\n"+hostile+"\n")
	for _, args := range [][]string{
		{hostile},
		{"--" + hostile},
		{"queue", hostile},
		{"queue", "list", "--state", hostile},
		{"queue", "list", "--limit", hostile},
		{"queue", "show", "-c", named, hostile},
		{"check", "-c", hostile},
		{"check", "-c", broken},
		{"check", "-c", named},
		{"config", "show", "-c", named},
		{"serve", "-c", broken},
		{"convert", "-c", named, "--from", hostile, mail},
		{"convert", "-c", named, "--from", "a@example.com", mail},
		{"convert", "-c", named, "--json", mail},
		{"convert", hostile},
		{"inboxes", "--base-url", hostile},
		{"health", "-c", broken},
		{"version", hostile},
	} {
		var out, failures strings.Builder
		p := &program{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &failures}
		p.run(args)
		t.Logf("%q\n%s%s", args, out.String(), failures.String())
		checkShown(t, out.String())
		checkShown(t, failures.String())
	}
}

// TestProgress shows how far a command has come, every other second, and nothing where it ends sooner.
func TestProgress(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var out strings.Builder
	show := progressTo(&out, func() time.Time { return now })
	for done := 500; done <= 3000; done += 500 {
		now = now.Add(time.Second)
		show(done, 3000)
	}
	want := "heyrelay: 1000 of 3000 requests done\nheyrelay: 2000 of 3000 requests done\n"
	if out.String() != want {
		t.Errorf("it shows %q, want %q", out.String(), want)
	}
}

// TestInterrupted says how far a command came that did not come to its end.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		err  error
		done int
		want string
	}{
		{spool.ErrFull, 0, spool.ErrFull.Error()},
		{spool.ErrFull, 500, spool.ErrFull.Error() + ": 500 held so far; repeat the command for the rest"},
		{context.Canceled, 500, "interrupted: 500 held so far; repeat the command for the rest"},
	} {
		if got := withProgress(c.err, spool.Moved{Requests: c.done}, "held").Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
