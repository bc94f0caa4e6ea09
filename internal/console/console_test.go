package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// Whatever comes from outside is text.
func TestHostileTextIsEscaped(t *testing.T) {
	f := newFixture(t)
	const evil = `"><script>alert(1)</script>`
	f.accept("Q1", func(m *spool.Message) {
		m.Title = evil
		m.Sender = evil
		m.Client = evil
		m.Text = evil
		m.Raw = []byte("Message-Id: <" + evil + ">\r\nReferences: " + evil + "\r\n\r\n" + evil)
		m.Warnings = []byte(`[{"code":"<script>alert(1)</script>","part":"<script>alert(1)","detail":"<script>alert(1)"}]`)
		m.Requests[0].To = []string{evil}
		m.Requests[0].Participants = strings.ReplaceAll(evil, " ", "")
		m.Requests[0].LocalID = evil
		m.Files = []spool.File{{Key: "k", Name: evil, ContentType: evil, Expires: f.now.Add(time.Hour)}}
	})
	f.finish(spool.Failed, evil)
	if _, err := f.operator.Retry(t.Context(), f.now, spool.Filter{}, spool.RetryOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.operator.Hold(t.Context(), f.now, spool.Filter{}, evil); err != nil {
		t.Fatal(err)
	}
	hold := spool.Hold{Team: "shop", Route: "support", Reason: evil}
	if err := f.operator.HoldDestination(t.Context(), f.now, hold); err != nil {
		t.Fatal(err)
	}
	in := url.QueryEscape(evil)
	for _, address := range []string{
		"/", "/messages", "/messages/Q1", "/messages/Q1?view=text", "/messages/Q1?view=json", "/messages/Q1?view=header",
		"/messages/Q1?view=source", "/messages/Q1/revoke", "/conversations/1", "/messages?q=" + in, "/messages?route=" + in,
		"/actions/drop?id=Q1&back=" + in, "/actions/drop?route=support&q=" + in, "/?done=" + in + "&n=1",
		"/destinations/release?team=shop&route=support&back=" + in, "/destinations/hold?team=" + in,
	} {
		f.lacks(f.get("ann", address, http.StatusOK), "<script>alert", `"><script`)
	}
	for _, address := range []string{
		"/messages/" + url.PathEscape(evil), "/messages?state=" + in, "/messages?since=" + in,
	} {
		r := httptest.NewRequest(http.MethodGet, address, nil)
		r.Header.Set("X-User", "ann")
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		f.lacks(w.Body.String(), "<script>alert")
	}
}

func TestOverview(t *testing.T) {
	f := newFixture(t)
	f.has(f.get("ann", "/", http.StatusOK), "Ready for mail", "No mail yet", "swaks --server 127.0.0.1:2525 ")
	f.accept("Q1", nil)
	f.finish(spool.Failed, "the API returned 400")
	f.accept("Q2", func(m *spool.Message) { m.Title = "Second" })
	hold := spool.Hold{Team: "shop", Route: "support", Reason: "maintenance"}
	if err := f.operator.HoldDestination(t.Context(), f.now, hold); err != nil {
		t.Fatal(err)
	}
	f.activity.Record(events.Event{Kind: events.Sent, Team: "shop"})
	f.activity.Record(events.Event{Kind: events.Failed, Team: "shop"})
	f.activity.Call("shop")
	page := f.get("ann", "/", http.StatusOK)
	f.has(page, "Mail flows, but some failed", `id="total-accepted">2<`, `id="total-waiting">1<`, "1 held",
		"Route support", "maintenance", "an operator", "the API returned 400", `href="/messages/Q2">Second</a>`,
		"/destinations/release?", "1 sent, 1 failed in the last hour, 1 waiting", "<b>1</b> of 500 calls")
	f.has(f.get("ann", "/?span=24h", http.StatusOK), `<a href="/?span=24h" aria-current="true">24 hours</a>`)
}

func TestMessagePage(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", func(m *spool.Message) { m.Warnings = []byte(`[{"code":"charset","part":"1","detail":"guessed"}]`) })
	f.finish(spool.Failed, "the API returned 400")
	page := f.get("ann", "/messages/Q1", http.StatusOK)
	f.has(page, "Printer on fire", "to:alice@example.com", "local-Q1", "HTTP 400 Bad Request", "api-1", "guessed",
		"the API returned 400", `<iframe src="/messages/Q1/html" sandbox `, "/actions/retry?", "opens a conversation")
	f.lacks(page, "/actions/hold", "/actions/release")
	refresh := httptest.NewRequest(http.MethodGet, "/messages/Q1?view=text", nil)
	refresh.Header.Set("X-Refresh", "live")
	f.lacks(f.do("ann", refresh, http.StatusOK).Body.String(), "It burns.")
	f.has(f.get("ann", "/messages/Q1?view=text", http.StatusOK), ">It burns.</pre>")
	f.has(f.get("ann", "/messages/Q1?view=json", http.StatusOK), "&#34;local_id&#34;: &#34;local-Q1&#34;")
	f.has(f.get("ann", "/messages/Q1?view=source", http.StatusOK), "Message-Id: &lt;Q1@example.com&gt;", "It burns.")
	f.lacks(f.get("ann", "/messages/Q1?view=header", http.StatusOK), "It burns.")
	f.has(f.get("ann", "/messages/Q1/html", http.StatusOK), "<p>It burns.</p>")
	f.get("ann", "/messages/Q2", http.StatusNotFound)
	f.get("ann", "/messages/Q2/html", http.StatusNotFound)
	f.get("ann", "/nowhere", http.StatusNotFound)
}

// A browser stores a download, and never shows it.
func TestDownloads(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", func(m *spool.Message) { m.Raw = []byte("\r\n<script>alert(1)</script>") })
	for address, want := range map[string]string{
		"/messages/Q1/source": "\r\n<script>alert(1)</script>",
		"/messages/Q1/1/json": `{"local_id":"local-Q1"}`,
	} {
		w := f.do("ann", httptest.NewRequest(http.MethodGet, address, nil), http.StatusOK)
		disposition, kind := w.Header().Get("Content-Disposition"), w.Header().Get("Content-Type")
		if !strings.HasPrefix(disposition, "attachment;") || strings.Contains(kind, "html") || w.Body.String() != want {
			t.Errorf("%s: %q, %q, %q", address, disposition, kind, w.Body.String())
		}
	}
	f.get("ann", "/messages/Q1/2/json", http.StatusNotFound)
}

func TestConversationPage(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", func(m *spool.Message) {
		m.Raw = []byte("Message-Id: <a@x>\r\nReferences: <r@x>\r\n <s@x>\r\n\r\n")
		m.Requests[0].Own = []spool.Key{{1}}
	})
	f.finish(spool.Sent, "")
	f.accept("Q2", func(m *spool.Message) {
		m.Title = "Re: Printer on fire"
		m.Requests[0].Lookup = []spool.Key{{1}}
		m.Requests[0].LookupNames = []string{"In-Reply-To: a@x"}
	})
	page := f.get("ann", "/conversations/1", http.StatusOK)
	f.has(page, "2 messages", "alice@example.com", ">7<", "&lt;a@x&gt;", "&lt;r@x&gt;", "&lt;s@x&gt;", "In-Reply-To: a@x")
	if strings.Index(page, "letter-Q1") > strings.Index(page, "letter-Q2") {
		t.Error("the thread begins with its end")
	}
	f.get("ann", "/conversations/2", http.StatusNotFound)
	f.get("ann", "/conversations/x", http.StatusNotFound)
}

// A page that fails says so, and the log has the cause.
func TestFailure(t *testing.T) {
	f := newFixture(t)
	if err := f.operator.Close(); err != nil {
		t.Fatal(err)
	}
	f.has(f.get("ann", "/messages", http.StatusInternalServerError), "This page failed")
	if len(f.recorded) != 1 || f.recorded[0].Kind != events.Error || f.recorded[0].Err == nil {
		t.Errorf("recorded is %+v", f.recorded)
	}
}

func TestAssets(t *testing.T) {
	f := newFixture(t)
	w := f.do("ann", httptest.NewRequest(http.MethodGet, "/static/console.js", nil), http.StatusOK)
	if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/javascript") {
		t.Errorf("the script is %s", kind)
	}
	f.get("ann", "/static/console.go", http.StatusNotFound)
}
