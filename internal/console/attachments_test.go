package console

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/spool"
)

// attach stores a message with a file.
func (f *fixture) attach(queueID, name, content string) (key string) {
	f.Helper()
	key = blob.Owner{}.NewKey(rand.Reader)
	open := func() io.Reader { return strings.NewReader(content) }
	if err := f.blobs.Put(f.Context(), key, int64(len(content)), open); err != nil {
		f.Fatal(err)
	}
	f.accept(queueID, func(m *spool.Message) {
		m.Files = []spool.File{{
			Key: key, Name: name, ContentType: "text/html", Size: int64(len(content)), Expires: f.now.Add(time.Hour),
		}}
	})
	return key
}

// An attachment is shown with its link, and downloaded under its name, never shown.
func TestAttachments(t *testing.T) {
	f := newFixture(t)
	const content = "<script>alert(1)</script>"
	key := f.attach("Q1", "Größe 1.html", content)
	page := f.get("bob", "/messages/Q1", http.StatusOK)
	f.has(page, `<a href="/messages/Q1/1/file" download>Größe 1.html</a>`, "text/html, 25 bytes", "Link open", "in 59 min")
	f.lacks(page, "revoke")
	r := httptest.NewRequest(http.MethodGet, "/messages/Q1/1/file", nil)
	r.Header.Set("Range", "bytes=1-6")
	w := f.do("bob", r, http.StatusPartialContent)
	disposition, kind := w.Header().Get("Content-Disposition"), w.Header().Get("Content-Type")
	if disposition != "attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe%201.html" || kind != "application/octet-stream" ||
		w.Body.String() != "script" {
		t.Errorf("%q, %q, %q", disposition, kind, w.Body.String())
	}
	if w := f.get("bob", "/messages/Q1/1/file", http.StatusOK); w != content {
		t.Errorf("downloaded %q", w)
	}
	f.get("bob", "/messages/Q1/2/file", http.StatusNotFound)
	f.get("bob", "/messages/Q2/1/file", http.StatusNotFound)
	f.now = f.now.Add(2 * time.Hour)
	page = f.get("ann", "/messages/Q1", http.StatusOK)
	f.has(page, "Link expired", "60 min ago")
	f.lacks(page, "Revoke links")
	if err := f.blobs.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	f.has(f.get("bob", "/messages/Q1/1/file", http.StatusNotFound), "No such file")
}

// The links of a message are revoked after a question, by who may operate, and that is recorded.
func TestRevokeLinks(t *testing.T) {
	f := newFixture(t)
	f.attach("Q1", "a.pdf", "same")
	f.accept("Q2", func(m *spool.Message) {
		m.Files = []spool.File{{ID: spool.LinkHash{2}, Key: "unused", Name: "a.pdf", Expires: f.now.Add(time.Hour)}}
	})
	f.has(f.get("ann", "/messages/Q1", http.StatusOK), `href="/messages/Q1/revoke">Revoke links…</a>`)
	f.lacks(f.get("bob", "/messages/Q1/revoke", http.StatusOK), `<button class="bad">`)
	page := f.get("ann", "/messages/Q1/revoke", http.StatusOK)
	f.has(page, "Revoke 1 link?", `<button class="bad">Revoke 1 link</button>`)
	token := hiddenField.FindStringSubmatch(f.get("bob", "/messages/Q1", http.StatusOK))[2]
	f.post("bob", "/messages/Q1/revoke", url.Values{"csrf_token": {token}}, http.StatusForbidden)
	f.post("ann", "/messages/Q1/revoke", url.Values{}, http.StatusForbidden)
	f.operated()
	to := f.confirm(page)
	page = f.get("ann", to, http.StatusOK)
	f.has(page, "1 link revoked.", "Link revoked")
	f.lacks(page, "Revoke links")
	f.has(f.get("ann", "/messages/Q1/revoke", http.StatusOK), "Nothing to revoke")
	f.has(f.get("ann", "/messages/Q2", http.StatusOK), "Link open")
	f.get("ann", "/messages/Q9/revoke", http.StatusNotFound)
	f.operated("revoke of 1 links of message Q1")
}
