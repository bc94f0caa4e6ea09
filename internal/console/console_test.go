package console

import (
	"context"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	nethtml "golang.org/x/net/html"

	"heyrelay/internal/access"
	"heyrelay/internal/activity"
	"heyrelay/internal/backend"
	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// fixture is a console over a spool, behind a Guard. Ann may operate, everybody else reads.
type fixture struct {
	*testing.T
	store    *sqlite.Store
	operator *sqlite.Operator
	events   events.Stream
	activity *activity.Counter
	handler  http.Handler
	now      time.Time
	recorded []events.Event
	blobs    blob.Store
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, now: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}
	path := filepath.Join(t.TempDir(), "spool.db")
	var err error
	f.store, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	f.operator, err = sqlite.OpenOperator(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.operator.Close() })
	f.blobs, err = blob.Open("file://"+filepath.ToSlash(t.TempDir()), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return f.now }
	f.activity = activity.New(clock)
	guard, err := access.New(access.Options{Proxy: access.Proxy{
		Networks:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, // of httptest's requests
		Header:    "X-User",
		Role:      access.Read,
		Operators: []string{"ann"},
	}, Hosts: []string{"example.com"}, Public: []string{"/static/"}})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = guard.Wrap(New(Options{
		Backend: backend.Backend{
			Operator: f.operator,
			Blobs:    f.blobs,
			Events:   &f.events,
			Activity: f.activity,
			Rates:    map[string]int{"shop": 500},
			Kick:     func() {},
			Record:   func(e events.Event) { f.recorded = append(f.recorded, e) },
			Now:      clock,
			Health:   func(context.Context) (string, []string) { return "serving", nil },
			Body:     func(t *spool.Task) ([]byte, error) { return []byte(`{"local_id":"` + t.LocalID + `"}`), nil },
		},
		Routes:  []Route{{"support", "shop"}},
		SMTP:    func() []net.Addr { return []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2525}} },
		Version: "1.0.0",
	}))
	return f
}

// accept stores a message for alice, which change may alter.
func (f *fixture) accept(queueID string, change func(*spool.Message)) {
	f.Helper()
	m := &spool.Message{
		QueueID:     queueID,
		Accepted:    f.now,
		Client:      "127.0.0.1",
		Sender:      "app@example.com",
		Route:       "support",
		Team:        "shop",
		Inbox:       202,
		Title:       "Printer on fire",
		Fingerprint: spool.Fingerprint([]byte(fmt.Sprintf("%32s", queueID))),
		HTML:        "<p>It burns.</p>",
		Text:        "It burns.",
		Raw:         []byte("Subject: Printer on fire\r\nMessage-Id: <" + queueID + "@example.com>\r\n\r\nIt burns.\r\n"),
		Requests: []spool.Request{{
			LocalID:      "local-" + queueID,
			To:           []string{"alice@example.com"},
			Participants: "alice@example.com",
			Priority:     spool.Normal,
		}},
	}
	if change != nil {
		change(m)
	}
	if _, err := f.store.Accept(f.Context(), m); err != nil {
		f.Fatal(err)
	}
	f.now = f.now.Add(time.Second)
}

// finish ends what is ready in a state.
func (f *fixture) finish(state spool.State, reason string) {
	f.Helper()
	tasks, _, err := f.store.Claim(f.Context(), f.now, time.Minute, spool.Capacity{Team: "shop", Rate: 60000, Free: 100})
	if err != nil {
		f.Fatal(err)
	}
	for _, t := range tasks {
		o := spool.Outcome{Task: t, State: state, Status: 400, APIID: "api-1", Reason: reason}
		if state == spool.Sent {
			o.Status, o.ConvoID, o.MessageID = 200, 7, 8
		}
		if _, err := f.store.Finish(f.Context(), f.now, o); err != nil {
			f.Fatal(err)
		}
	}
}

// get returns what a person sees at an address, and fails the test unless it has the status.
func (f *fixture) get(user, address string, status int) string {
	f.Helper()
	return f.do(user, httptest.NewRequest(http.MethodGet, address, nil), status).Body.String()
}

func (f *fixture) do(user string, r *http.Request, status int) *httptest.ResponseRecorder {
	f.Helper()
	r.Header.Set("X-User", user)
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if w.Code != status {
		f.Fatalf("%s %s: status %d, want %d\n%s", r.Method, r.URL, w.Code, status, w.Body.String())
	}
	return w
}

var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	confirmForm = regexp.MustCompile(`(?s)<form class="card confirm" method="post" action="([^"]*)">(.*?)</form>`)
)

// confirm sends the form of a page of confirmation, and returns the address that it leads to.
func (f *fixture) confirm(page string, more ...string) string {
	f.Helper()
	form := confirmForm.FindStringSubmatch(page)
	if form == nil {
		f.Fatalf("there is no form in\n%s", page)
	}
	values := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(form[2], -1) {
		values.Add(field[1], html.UnescapeString(field[2]))
	}
	for i := 0; i+1 < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	return f.post("ann", form[1], values, http.StatusSeeOther).Header().Get("Location")
}

func (f *fixture) post(user, address string, values url.Values, status int) *httptest.ResponseRecorder {
	f.Helper()
	r := httptest.NewRequest(http.MethodPost, address, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.do(user, r, status)
}

// has fails the test unless a page contains each text.
func (f *fixture) has(page string, texts ...string) {
	f.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			f.Errorf("there is no %q in\n%s", text, page)
		}
	}
}

// lacks fails the test if a page contains a text.
func (f *fixture) lacks(page string, texts ...string) {
	f.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			f.Errorf("there is %q in\n%s", text, page)
		}
	}
}

// state is the state of a message's request.
func (f *fixture) state(queueID string) string {
	f.Helper()
	m, err := f.operator.Show(f.Context(), queueID)
	if err != nil {
		f.Fatal(err)
	}
	return m.Requests[0].State
}

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
	f.activity.Record(events.Event{Kind: events.Failed, Team: "shop"})
	f.activity.Call("shop")
	page := f.get("ann", "/", http.StatusOK)
	f.has(page, "Mail flows, but some failed", `id="total-accepted">2<`, `id="total-waiting">1<`, "1 held",
		"Route support", "maintenance", "an operator", "the API returned 400", `href="/messages/Q2">Second</a>`,
		"/destinations/release?", "1 failed in the last hour", "<b>1</b> of 500 calls")
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

// What leads on from a list follows it: a link that stays as it was would pass over what has moved meanwhile.
func TestPagesFollow(t *testing.T) {
	f := newFixture(t)
	for i := range pageSize + 1 {
		f.accept(fmt.Sprintf("Q%d", i), func(m *spool.Message) {
			m.Requests[0].Own, m.Requests[0].Lookup = []spool.Key{{1}}, []spool.Key{{1}}
		})
	}
	for address, links := range map[string]int{"/messages?route=support": 5, "/conversations/1": 1} {
		page, err := nethtml.Parse(strings.NewReader(f.get("ann", address, http.StatusOK)))
		if err != nil {
			t.Fatal(err)
		}
		for n := range page.Descendants() {
			href := attribute(n, "href")
			if !strings.Contains(href, "from=") && !strings.HasPrefix(href, "/actions/") {
				continue
			}
			links--
			isLive := func(above *nethtml.Node) bool { return attribute(above, "id") != "" && has(above, "data-live") }
			if !slices.ContainsFunc(slices.Collect(n.Ancestors()), isLive) {
				t.Errorf("%s: %s is not live", address, href)
			}
		}
		if links != 0 {
			t.Errorf("%s: %d links are missing", address, links)
		}
	}
}

func attribute(n *nethtml.Node, name string) string {
	i := slices.IndexFunc(n.Attr, func(a nethtml.Attribute) bool { return a.Key == name })
	if i < 0 {
		return ""
	}
	return n.Attr[i].Val
}

func has(n *nethtml.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a nethtml.Attribute) bool { return a.Key == name })
}

// operated compares what is recorded of Ann's actions.
func (f *fixture) operated(want ...string) {
	f.Helper()
	var got []string
	for _, e := range f.recorded {
		if e.Kind == events.Operated && e.User == "ann" {
			got = append(got, e.Reason)
		}
	}
	if !slices.Equal(got, want) {
		f.Errorf("recorded %q, want %q", got, want)
	}
}

func TestRetryOfOne(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", nil)
	f.finish(spool.Failed, "")
	page := f.get("ann", "/actions/retry?id=Q1&back=/messages/Q1", http.StatusOK)
	f.has(page, "Retry 1 request?")
	if to := f.confirm(page); to != "/messages/Q1?done=queued+again&n=1" {
		t.Errorf("then comes %s", to)
	} else {
		f.has(f.get("ann", to, http.StatusOK), "1 request queued again.")
	}
	if s := f.state("Q1"); s != "ready" {
		t.Errorf("it is %s", s)
	}
	f.has(f.get("ann", "/actions/retry?id=Q1", http.StatusOK), "Nothing to retry")
	f.operated("retry of 1 requests, selected by queue id Q1")
}

// A selection, and all that match: what comes after the question is left alone.
func TestActionsOnMany(t *testing.T) {
	f := newFixture(t)
	for i := range 4 {
		f.accept(fmt.Sprintf("Q%d", i), nil)
	}
	page := f.get("ann", "/actions/hold?id=Q0&id=Q1", http.StatusOK)
	f.has(page, "Hold 2 requests?")
	f.confirm(page, "reason", "ask Carol")
	f.has(f.get("ann", "/messages/Q0", http.StatusOK), "ask Carol")
	page = f.get("ann", "/actions/drop?state=ready", http.StatusOK)
	f.has(page, "Drop 2 requests?", "state ready")
	f.accept("Q4", nil)
	f.confirm(page)
	f.confirm(f.get("ann", "/actions/release?route=support", http.StatusOK))
	for id, want := range map[string]string{
		"Q0": "ready", "Q1": "ready", "Q2": "dropped", "Q3": "dropped", "Q4": "ready",
	} {
		if s := f.state(id); s != want {
			t.Errorf("%s is %s, want %s", id, s, want)
		}
	}
	f.get("ann", "/actions/drop", http.StatusBadRequest)
	f.get("ann", "/actions/explode?id=Q0", http.StatusNotFound)
	f.get("ann", "/actions/drop?state=sleepy", http.StatusBadRequest)
}

// A search that says nothing, or that nothing can match, selects nothing.
func TestActionsOnASearch(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", func(m *spool.Message) { m.Title = "4711" })
	for _, q := range []string{
		"subject:", "recipient: ", "message-id:", "queue id:", "local_id:", "convo_id:", "convo_id:x", " ",
	} {
		address := "/actions/drop?q=" + url.QueryEscape(q)
		f.lacks(f.get("ann", address, http.StatusBadRequest), "Drop 1 request")
		if q != " " {
			f.get("ann", "/messages?q="+url.QueryEscape(q), http.StatusBadRequest)
		}
	}
	f.get("ann", "/actions/drop?q=queue+id:0123456789ABCDEF", http.StatusNotFound)
	f.has(f.get("ann", "/messages?q=queue+id:0123456789ABCDEF", http.StatusOK), "Nothing matches")

	page := f.get("ann", "/actions/drop?q=4711", http.StatusOK)
	f.has(page, "Drop 1 request?", "found by subject:4711")
	f.accept("Q2", func(m *spool.Message) { m.Requests[0].ConvoID = 4711 }) // by now, the number is a conversation's
	f.confirm(page, "asked", fmt.Sprint(f.now.Add(time.Hour).UnixNano()))
	if one, other := f.state("Q1"), f.state("Q2"); one != "dropped" || other == "dropped" {
		t.Errorf("the one that was found is %s, the other %s", one, other)
	}
}

func TestHoldOfARoute(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", nil)
	page := f.get("ann", "/destinations/hold?team=shop&route=support&back=/", http.StatusOK)
	f.has(page, "Hold route support?")
	to := f.confirm(page, "reason", "maintenance")
	f.has(f.get("ann", to, http.StatusOK), "The hold has begun.", "maintenance")
	page = f.get("ann", "/destinations/release?team=shop&route=support&back=/", http.StatusOK)
	f.has(page, "1 request kept back now.")
	f.has(f.get("ann", f.confirm(page), http.StatusOK), "The hold has ended.")
	f.has(f.get("ann", f.confirm(page), http.StatusOK), "There was no hold.")
	page = f.get("ann", "/destinations/release?team=shop&route=support", http.StatusOK)
	f.has(page, "There is no hold on route support")
	if s := f.state("Q1"); s != "ready" {
		t.Errorf("it is %s", s)
	}
	f.operated("hold of route support", "release of route support")
	f.has(f.get("bob", "/destinations/hold?team=shop&route=support", http.StatusOK), "Your role is read")
	for _, unknown := range []string{"team=nobody", "team=shop&route=nowhere", "team=nobody&route=support"} {
		f.has(f.get("ann", "/destinations/hold?"+unknown, http.StatusOK), "There is no ", "is not in the configuration")
		values, err := url.ParseQuery(unknown)
		if err != nil {
			t.Fatal(err)
		}
		values.Set("csrf_token", hiddenField.FindStringSubmatch(f.get("ann", "/messages/Q1", http.StatusOK))[2])
		f.post("ann", "/destinations/hold", values, http.StatusBadRequest)
	}
}

// Who may only read sees no action, and a form of his changes nothing. Neither does one without
// the token.
func TestRolesAndFormTokens(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", nil)
	for _, address := range []string{"/", "/messages", "/messages/Q1"} {
		f.has(f.get("ann", address, http.StatusOK), "…</")
		f.lacks(f.get("bob", address, http.StatusOK), "/actions/", "/destinations/", `type="checkbox" name="id"`)
	}
	f.lacks(f.get("bob", "/actions/drop?id=Q1", http.StatusOK), "<button autofocus", ">Drop 1 request</button>")
	token := hiddenField.FindStringSubmatch(f.get("bob", "/messages/Q1", http.StatusOK))[2]
	for _, address := range []string{"/actions/drop", "/destinations/hold"} {
		f.post("bob", address, url.Values{"id": {"Q1"}, "team": {"shop"}, "csrf_token": {token}}, http.StatusForbidden)
		f.post("ann", address, url.Values{"id": {"Q1"}, "team": {"shop"}}, http.StatusForbidden)
	}
	if s := f.state("Q1"); s != "ready" {
		t.Errorf("it is %s", s)
	}
}

func TestBackStaysHere(t *testing.T) {
	for back, want := range map[string]string{
		"/messages?state=held": "/messages?state=held",
		"":                     "/",
		"https://evil.example": "/",
		"//evil.example/":      "/",
		"///evil.example/":     "/", // browsers take it for the one above
		`/\evil.example`:       "/",
		"javascript:alert(1)":  "/",
		"messages":             "/",
		"/\tx":                 "/",
	} {
		if got := access.Local(back); got != want {
			t.Errorf("back to %q is %q, want %q", back, got, want)
		}
	}
}

// A link of somebody else cannot have the console say what he likes.
func TestDoneSaysOurWords(t *testing.T) {
	for query, want := range map[string]string{
		"done=dropped&n=3&busy=1&maybe=2": "3 requests dropped. 2 may have been sent before: the outcome of an attempt is " +
			"unknown. 1 unchanged, because an attempt is in progress: try again.",
		"done=hold+ended":          "The hold has ended.",
		"done=call+0900-12345&n=1": "",
		"done=dropped&n=many":      "",
		"":                         "",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := doneOf(values); got != want {
			t.Errorf("%s says %q, want %q", query, got, want)
		}
	}
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
