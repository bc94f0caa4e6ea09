package fileserver_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/fileserver"
)

// TestDownload serves a file as it was stored, with what keeps browsers, caches and search engines
// from doing anything else with it.
func TestDownload(t *testing.T) {
	f := start(t)
	content := make([]byte, 300_000)
	_, _ = rand.Read(content)
	token, _ := f.put("Rechnung 4711.pdf", "application/pdf; name=x", content)
	for _, path := range []string{"", "/", "/Rechnung%204711.pdf", "/another-name.html", "/a/b/../c"} {
		w := f.get("/f/" + token + path)
		if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), content) {
			t.Fatalf("%q: %d, %d octets", path, w.Code, w.Body.Len())
		}
		for name, want := range map[string]string{
			"Content-Type":                 "application/pdf",
			"Content-Length":               "300000",
			"Content-Disposition":          `attachment; filename="Rechnung 4711.pdf"`,
			"Accept-Ranges":                "bytes",
			"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; sandbox",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"X-Robots-Tag":                 "noindex",
			"Cache-Control":                "private, no-cache",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	w := f.ask(http.MethodHead, "/f/"+token)
	if w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("Content-Length") != "300000" {
		t.Errorf("HEAD: %d, %d octets, %v", w.Code, w.Body.Len(), w.Header())
	}
}

// TestPartsOfAFile serves ranges, and nothing of what the client has already.
func TestPartsOfAFile(t *testing.T) {
	f := start(t)
	token, _ := f.put("a.bin", "application/octet-stream", []byte("0123456789"))
	etag := f.get("/f/" + token).Header().Get("ETag")
	if len(etag) != 66 || etag[0] != '"' {
		t.Errorf("the ETag is %s", etag)
	}
	for _, c := range []struct {
		fields []string
		status int
		body   string
	}{
		{[]string{"Range", "bytes=2-4"}, http.StatusPartialContent, "234"},
		{[]string{"Range", "bytes=7-"}, http.StatusPartialContent, "789"},
		{[]string{"Range", "bytes=-1"}, http.StatusPartialContent, "9"},
		{[]string{"Range", "bytes=0-0,2-2,4-4"}, http.StatusOK, "0123456789"},
		{[]string{"Range", "bytes=10-"}, http.StatusRequestedRangeNotSatisfiable, "invalid range: failed to overlap\n"},
		{[]string{"Range", "bytes=0-1", "If-Range", etag}, http.StatusPartialContent, "01"},
		{[]string{"Range", "bytes=0-1", "If-Range", `"other"`}, http.StatusOK, "0123456789"},
		{[]string{"If-None-Match", etag}, http.StatusNotModified, ""},
		{[]string{"If-None-Match", `"other"`}, http.StatusOK, "0123456789"},
	} {
		w := f.get("/f/"+token, c.fields...)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%q: %d %q, want %d %q", c.fields, w.Code, w.Body, c.status, c.body)
		}
	}
}

// TestOnlyFiles answers to nothing but GET and HEAD, and serves nothing but files.
func TestOnlyFiles(t *testing.T) {
	f := start(t)
	token, _ := f.put("a.txt", "text/plain", []byte("a"))
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"} {
		w := f.ask(method, "/f/"+token)
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
	want := f.get("/f/x")
	for _, path := range []string{
		"/", "/favicon.ico", "/f", "/f/", "/metrics", "/livez", "/login", "/api/v1/queue", "/" + token,
		"/F/" + token, "/f//" + token, "/f/./" + token, "//f/" + token, "/f/%00",
	} {
		if w := f.get(path); !same(w, want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := f.get("/robots.txt"); w.Code != http.StatusOK || w.Body.String() != "User-agent: *\nDisallow: /\n" {
		t.Errorf("robots.txt: %d %s", w.Code, w.Body)
	}
}

// same reports whether a client cannot distinguish two responses.
func same(a, b *httptest.ResponseRecorder) bool {
	return a.Code == b.Code && bytes.Equal(a.Body.Bytes(), b.Body.Bytes()) && reflect.DeepEqual(a.Header(), b.Header())
}

// TestTokens tries 10,000 links that lead to no file: changed, guessed, revoked and of another key get
// one response; expired ones another, which needs no look-up. Nothing is looked up before the MAC is
// verified.
func TestTokens(t *testing.T) {
	f := start(t)
	token, revoked := f.put("a.txt", "text/plain", []byte("secret"))
	delete(f.files, revoked.Hash())
	unknown := f.get("/f/" + token)
	if unknown.Code != http.StatusNotFound || f.lookups != 1 {
		t.Fatalf("a revoked link: %d, %d look-ups", unknown.Code, f.lookups)
	}
	token, _ = f.put("a.txt", "text/plain", []byte("secret"))
	other := blob.NewLinks(bytes.Repeat([]byte{8}, 32), "")
	for i := range 2500 {
		changed := []byte(token)
		changed[i%len(changed)] ^= byte(1 + i%31)
		guessed, _ := other.New(rand.Reader, f.now.Add(time.Hour))
		neverAccepted, _ := f.links.New(rand.Reader, f.now.Add(time.Hour))
		for what, path := range map[string]string{"changed": escape(changed), "guessed": guessed, "unknown": neverAccepted} {
			if w := f.get("/f/" + path); !same(w, unknown) {
				t.Fatalf("%s: %s: %d %s", what, path, w.Code, w.Body)
			}
		}
		expired, _ := f.links.New(rand.Reader, f.now.Add(-time.Duration(i)*time.Minute))
		if w := f.get("/f/" + expired); w.Code != http.StatusGone || strings.Contains(w.Body.String(), "secret") {
			t.Fatalf("expired: %d %s", w.Code, w.Body)
		}
	}
	if f.lookups != 2501 {
		t.Errorf("%d look-ups in the spool, want one of each link that was signed here", f.lookups)
	}
	if f.store.opened > 0 {
		t.Errorf("%d objects were opened", f.store.opened)
	}
	if w := f.get("/f/" + token); w.Body.String() != "secret" {
		t.Errorf("the true link: %d %s", w.Code, w.Body)
	}
}

// escape writes any octets as a path.
func escape(text []byte) string {
	var b strings.Builder
	for _, c := range text {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// TestExpired says since when, and what to do.
func TestExpired(t *testing.T) {
	f := start(t)
	token, _ := f.put("a.txt", "text/plain", []byte("a"))
	f.now = f.now.Add(90*24*time.Hour - time.Second)
	if w := f.get("/f/" + token); w.Code != http.StatusOK {
		t.Errorf("in its last second: %d", w.Code)
	}
	f.now = f.now.Add(time.Second)
	w := f.get("/f/" + token)
	for _, want := range []string{"This link has expired", "2 August 2026, 03:02 UTC", "ask the sender to send it again"} {
		if w.Code != http.StatusGone || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d, without %q: %s", w.Code, want, w.Body)
		}
	}
}

// TestUnavailable is a clear 503 for as long as store or spool are down, without inner details.
func TestUnavailable(t *testing.T) {
	for what, fail := range map[string]func(*fixture){
		"store":         func(f *fixture) { f.store.openErr = errDown },
		"store at read": func(f *fixture) { f.store.readErr = errDown },
		"spool":         func(f *fixture) { f.spoolErr = errors.New("disk I/O error at s3.internal") },
	} {
		f := start(t)
		token, _ := f.put("a.png", "image/png", []byte("\x89PNG\r\n\x1a\n"))
		fail(f)
		w := f.get("/f/" + token)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "60" {
			t.Errorf("%s: %d %v", what, w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "internal") || strings.Contains(fmt.Sprint(w.Header()), "a.png") {
			t.Errorf("%s: %v %s", what, w.Header(), w.Body)
		}
		if got := f.recorded(events.Error); len(got) != 1 || !strings.Contains(got[0].Err.Error(), "internal") {
			t.Errorf("%s: recorded %v", what, got)
		}
	}
}

// TestCutOff ends the connection where the store fails within a file: the client must not take the
// beginning for the whole.
func TestCutOff(t *testing.T) {
	f := start(t)
	token, _ := f.put("a.bin", "application/octet-stream", make([]byte, 100_000))
	f.store.readErr = errDown
	server := httptest.NewServer(f.server)
	defer server.Close()
	r, err := http.Get(server.URL + "/f/" + token)
	if err == nil {
		_, err = new(bytes.Buffer).ReadFrom(r.Body)
		_ = r.Body.Close()
	}
	if err == nil {
		t.Error("the client noticed nothing")
	}
	if got := f.recorded(events.Error); len(got) != 1 || got[0].QueueID != "QUEUEID" {
		t.Errorf("recorded %v", got)
	}
}

// TestMissingObject is one more link that leads to no file, and an error for the operator. An object
// of another size is not what was stored.
func TestMissingObject(t *testing.T) {
	f := start(t)
	token, id := f.put("a.txt", "text/plain", []byte("abc"))
	a := f.files[id.Hash()]
	a.Size = 4
	f.files[id.Hash()] = a
	shortened := f.get("/f/" + token)
	if got := f.recorded(events.Error); len(got) != 1 || got[0].QueueID != "QUEUEID" {
		t.Errorf("recorded %v", got)
	}
	if err := f.store.Delete(t.Context(), a.Key); err != nil {
		t.Fatal(err)
	}
	deleted := f.get("/f/" + token)
	if got := f.recorded(events.Error); len(got) != 1 || got[0].QueueID != "QUEUEID" {
		t.Errorf("recorded %v", got)
	}
	if want := []string{a.Key, a.Key}; !slices.Equal(f.lost, want) {
		t.Errorf("missing are %v, want %v", f.lost, want)
	}
	if unknown := f.get("/f/x"); !same(shortened, unknown) || !same(deleted, unknown) {
		t.Errorf("%d %s, %d %s, want %d", shortened.Code, shortened.Body, deleted.Code, deleted.Body, unknown.Code)
	}
}

// TestRecorded records who downloaded what, and never a link.
func TestRecorded(t *testing.T) {
	f := start(t)
	token, id := f.put("a.txt", "text/plain", []byte("0123456789"))
	f.get("/f/"+token, "Range", "bytes=0-3", "X-Forwarded-For", "198.51.100.9")
	got := f.recorded(events.Downloaded)
	want := events.Event{
		Kind: events.Downloaded, Time: f.now, QueueID: "QUEUEID", Route: "shop", Client: "203.0.113.5",
		Status: http.StatusPartialContent, Size: 4,
	}
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	f.ask(http.MethodHead, "/f/"+token)
	if got := f.recorded(events.Downloaded); len(got) > 0 {
		t.Errorf("HEAD is recorded as %v", got)
	}
	var log bytes.Buffer
	f.get("/f/" + token)
	f.get("/f/" + token[1:])
	delete(f.files, id.Hash())
	f.get("/f/" + token)
	f.now = f.now.Add(time.Hour * 24 * 365)
	f.get("/f/" + token)
	for _, e := range f.events {
		events.Log{Logger: slog.New(slog.NewJSONHandler(&log, nil))}.Record(e)
	}
	if strings.Contains(log.String(), token[1:]) || strings.Count(log.String(), `"status":404`) != 2 {
		t.Error(log.String())
	}
	if got := f.recorded(events.DownloadRefused); len(got) != 3 || got[0].Client != "203.0.113.5" {
		t.Errorf("recorded %v", got)
	}
}

// TestBehindAProxy believes X-Forwarded-For of the proxy alone.
func TestBehindAProxy(t *testing.T) {
	f := start(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/f/x", nil)
	r.RemoteAddr = "192.0.2.1:4711"
	r.Header.Set("X-Forwarded-For", "10.0.0.1, 198.51.100.9")
	f.server.ServeHTTP(httptest.NewRecorder(), r)
	if got := f.recorded(events.DownloadRefused); len(got) != 1 || got[0].Client != "198.51.100.9" {
		t.Errorf("recorded %v", got)
	}
}

// TestLimits bounds the downloads that go on, of one network and in all.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		f.limit = fileserver.Limit{Total: 3, PerAddress: 2}
		f.restart()
		token, _ := f.put("a.bin", "application/octet-stream", []byte("abc"))
		f.store.hold = make(chan struct{})
		responses := map[string]*httptest.ResponseRecorder{}
		ask := func(client string) int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/f/"+token, nil)
			r.RemoteAddr = client
			w := httptest.NewRecorder()
			responses[client] = w
			go f.server.ServeHTTP(w, r)
			synctest.Wait()
			if w.Code >= 400 && w.Header().Get("Retry-After") == "" {
				t.Errorf("%d without Retry-After", w.Code)
			}
			return w.Code
		}
		const goesOn = http.StatusOK
		for _, c := range []struct {
			client string
			status int
		}{
			{"[2001:db8::1]:1", goesOn},
			{"[2001:db8::2]:1", goesOn},
			{"[2001:db8::3]:1", http.StatusTooManyRequests}, // of the same network
			{"203.0.113.7:1", goesOn},
			{"203.0.113.8:1", http.StatusServiceUnavailable},
		} {
			if status := ask(c.client); status != c.status {
				t.Errorf("%s: %d, want %d", c.client, status, c.status)
			}
		}
		close(f.store.hold)
		synctest.Wait()
		for client, w := range responses {
			if w.Code == goesOn && w.Body.String() != "abc" {
				t.Errorf("%s got %q", client, w.Body)
			}
		}
		if status := ask("203.0.113.8:1"); status != http.StatusOK {
			t.Errorf("after the others have ended: %d", status)
		}
	})
}

// TestPages are small, whole without other requests, and run nothing.
func TestPages(t *testing.T) {
	f := start(t)
	w := f.get("/f/x")
	for _, want := range []string{"<!doctype html>", `<html lang="en">`, `name="viewport"`, "light-dark("} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("without %s: %s", want, w.Body)
		}
	}
	if w.Body.Len() > 2000 || strings.Contains(w.Body.String(), "<script") || strings.Contains(w.Body.String(), "src=") {
		t.Errorf("%d octets: %s", w.Body.Len(), w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Robots-Tag") != "noindex" {
		t.Errorf("%v", w.Header())
	}
}
