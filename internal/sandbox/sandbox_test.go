package sandbox_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heyrelay/internal/sandbox"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the time at which these tests begin.
var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that tests advance.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

// otherTeam is a second team with one inbox.
func otherTeam() sandbox.Team {
	return sandbox.Team{
		ID:      8,
		Name:    "Other",
		APIKeys: []string{"other-key"},
		Inboxes: []sandbox.Inbox{{ID: 301, Name: "Sales", Members: []sandbox.Member{{ID: 70, Name: "Mary"}}}},
	}
}

// ask makes one call with the demo's API key and returns status and body.
func ask(s *sandbox.Sandbox, method, path, body string) (int, string) {
	status, _, answer := request(s, method, path, body, "Authorization: Bearer "+sandbox.DemoAPIKey)
	return status, answer
}

// request makes one call. Each field is "Name: value"; without a value the field is
// removed.
func request(h http.Handler, method, path, body string, fields ...string) (int, http.Header, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ":")
		r.Header.Del(name)
		value = strings.TrimSpace(value)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header(), strings.TrimSpace(w.Body.String())
}

// opener is the body of a send to one or more addresses, without local_id if that
// is "".
func opener(to, localID string) string {
	return email(localID, fmt.Sprintf(`"targets": ["to:%s"]`, to))
}

// answerTo is the body of a reply.
func answerTo(convoID int64, localID string) string {
	return email(localID, fmt.Sprintf(`"convo_id": %d`, convoID))
}

func email(localID, rest string) string {
	if localID != "" {
		rest = fmt.Sprintf(`"local_id": %q, %s`, localID, rest)
	}
	return `{"creator_id": 55, "inbox": 202, "text": "<p>Hi</p>", ` + rest + `}`
}

// sent is a response to a send.
type sent struct {
	ID      int64  `json:"id"`
	ConvoID int64  `json:"convo_id"`
	Queued  bool   `json:"queued"`
	Date    string `json:"date"`
}

// send makes a send that must be accepted.
func send(t *testing.T, s *sandbox.Sandbox, body string) sent {
	t.Helper()
	status, answer := ask(s, "POST", "/v1/email/send", body)
	if status != 200 {
		t.Fatalf("send %s: %d %s", body, status, answer)
	}
	var got sent
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// token makes a JWT by hand.
func token(header, claims, key string) string {
	part := base64.RawURLEncoding.EncodeToString
	signed := part([]byte(header)) + "." + part([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	io.WriteString(mac, signed)
	return signed + "." + part(mac.Sum(nil))
}

func TestEveryAnswerHasARequestID(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	seen := make(map[string]bool)
	for _, path := range []string{"/v1/inboxes", "/v1/nothing", "/", "/sandbox/messages", "/sandbox/nothing"} {
		for _, auth := range []string{"Bearer " + sandbox.DemoAPIKey, ""} {
			_, header, _ := request(s, "GET", path, "", "Authorization: "+auth)
			id := header.Get("X-Request-Id")
			if id == "" || seen[id] {
				t.Errorf("%s: X-Request-Id is %q", path, id)
			}
			seen[id] = true
		}
	}
}

func TestMessagesAreListedInOrder(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	first := send(t, s, opener("ann@example.com", "l-1"))
	send(t, s, answerTo(first.ConvoID, "l-2"))
	ask(s, "POST", "/v1/email/send", `{"inbox": 202}`) // refused, not listed

	status, _, body := request(s, "GET", "/sandbox/messages", "")
	var list []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &list); status != 200 || err != nil {
		t.Fatal(status, body, err)
	}
	if len(list) != 2 || len(list[0]) != 3 {
		t.Fatalf("the list is %s", body)
	}
	for i, want := range []string{opener("ann@example.com", "l-1"), answerTo(first.ConvoID, "l-2")} {
		if !sameJSON(t, string(list[i]["request"]), want) {
			t.Errorf("request %d is %s, not %s", i, list[i]["request"], want)
		}
	}
	if string(list[0]["convo_id"]) != string(list[1]["convo_id"]) {
		t.Error("the reply is in another conversation")
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		t.Fatalf("not JSON: %s or %s", a, b)
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

func TestForgetKeepsConversationsAndLocalIDs(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	first := send(t, s, opener("ann@example.com", "l-1"))
	if status, _, body := request(s, "DELETE", "/sandbox/messages", ""); status != 200 || body != "[]" {
		t.Error(status, body)
	}
	if again := send(t, s, opener("ann@example.com", "l-1")); again != first {
		t.Errorf("the repeat got %v, not %v", again, first)
	}
	send(t, s, answerTo(first.ConvoID, "l-2"))
	if got := s.Messages(); len(got) != 1 || got[0].LocalID != "l-2" || got[0].ID == first.ID {
		t.Errorf("listed: %+v", got)
	}
	if conflicts := s.Stats().Conflicts; conflicts != 0 {
		t.Errorf("%d conflicts", conflicts)
	}
}

// TestPage: a browser gets a page that needs no credentials and is no call.
func TestPage(t *testing.T) {
	s := sandbox.New(sandbox.Options{Console: "http://127.0.0.1:8025"})
	status, header, page := request(s, "GET", "/", "")
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %q", status, header)
	}
	for _, want := range []string{"sends nothing", `href="/sandbox/messages"`, `href="http://127.0.0.1:8025"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in %s", want, page)
		}
	}
	if status, _, answer := request(s, "GET", "/favicon.ico", ""); status != 404 {
		t.Error(status, answer)
	}
	if got := s.Stats(); got != (sandbox.Stats{}) {
		t.Errorf("counted: %+v", got)
	}
	if status, _, answer := request(s, "GET", "/v1/", ""); status != 401 {
		t.Error(status, answer)
	}
	if _, _, page := request(sandbox.New(sandbox.Options{}), "GET", "/", ""); strings.Contains(page, "onsole") {
		t.Errorf("a console that does not exist: %s", page)
	}
}

func TestKeep(t *testing.T) {
	s := sandbox.New(sandbox.Options{Keep: 1})
	send(t, s, opener("ann@example.com", "l-1"))
	send(t, s, opener("ann@example.com", "l-2"))
	got := s.Messages()
	if len(got) != 2 || got[0].Request != nil || got[1].Request == nil {
		t.Errorf("kept: %+v", got)
	}
}

func TestStats(t *testing.T) {
	s := sandbox.New(sandbox.Options{RatePerMinute: 4})
	send(t, s, opener("ann@example.com", "l-1"))
	send(t, s, opener("ann@example.com", "l-1"))
	send(t, s, opener("bob@example.com", "l-1"))
	ask(s, "POST", "/v1/email/send", `{}`)
	ask(s, "GET", "/v1/inboxes", "") // over the rate
	request(s, "GET", "/v1/inboxes", "")
	want := sandbox.Stats{Calls: 6, Accepted: 1, Repeated: 2, Conflicts: 1, Invalid: 1, Unauthorized: 1, Throttled: 1}
	if got := s.Stats(); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
	_, _, body := request(s, "GET", "/sandbox/stats", "")
	counters := `{"calls":6,"accepted":1,"repeated":2,"conflicts":1,"invalid":1,"unauthorized":1,"throttled":1}`
	if !sameJSON(t, body, counters) {
		t.Error(body)
	}
}

// TestDoc compares the table of faults in the package documentation with the one
// in the code.
func TestDoc(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sandbox.Faults() {
		line := fmt.Sprintf("//\t%-14s %s\n", f+"@", f.Does())
		if !strings.Contains(string(doc), line) {
			t.Errorf("doc.go does not have the line\n%s", line)
		}
	}
	if n := len(regexp.MustCompile(`(?m)^//\t\w+@ `).FindAll(doc, -1)); n != len(sandbox.Faults()) {
		t.Errorf("doc.go has %d faults, the code %d", n, len(sandbox.Faults()))
	}
}
