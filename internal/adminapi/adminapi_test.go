package adminapi_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"heyrelay/internal/access"
	"heyrelay/internal/adminapi"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// ids are the queue ids of a page.
func ids(p adminapi.Page) string {
	var all []string
	for _, e := range p.Requests {
		all = append(all, e.QueueID)
	}
	return strings.Join(all, " ")
}

// Requests are found by each parameter, and in pages.
func TestMessages(t *testing.T) {
	f := open(t)
	f.fill()
	for query, want := range map[string]string{
		"":                              "Q5 Q4 Q3 Q2 Q1",
		"?order=oldest&limit=2":         "Q1 Q2",
		"?queue_id=Q1&queue_id=Q3":      "Q3 Q1",
		"?state=sent&state=deferred":    "Q2 Q1",
		"?state=waiting":                "Q4 Q3 Q2",
		"?state=held":                   "Q4 Q3",
		"?route=b":                      "Q4 Q3",
		"?team=shop&route=a":            "Q5 Q1",
		"?recipient=BOB@example.com":    "Q5 Q3",
		"?message_id=%3CQ4@example.com": "Q4",
		"?local_id=Q2-0":                "Q2",
		"?convo_id=7":                   "Q2 Q1",
		"?subject=FIRE&since=2026-11-01T12:00:00Z": "Q5 Q4 Q3 Q2 Q1",
		"?before=2026-11-01T12:00:00Z":             "",
	} {
		var page adminapi.Page
		f.call("GET", "/messages"+query, "", 200, &page)
		if got := ids(page); got != want {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
	}
	var first, second, back adminapi.Page
	f.call("GET", "/messages?limit=2", "", 200, &first)
	f.call("GET", "/messages?limit=2&older="+first.Older, "", 200, &second)
	f.call("GET", "/messages?limit=2&newer="+second.Newer, "", 200, &back)
	if ids(first)+" "+ids(second) != "Q5 Q4 Q3 Q2" || ids(back) != "Q5 Q4" || !first.More || back.More {
		t.Errorf("%+v, %+v, %+v", first, second, back)
	}
}

// An action says how many it would change, changes those, and is recorded.
func TestActions(t *testing.T) {
	f := open(t)
	f.fill()
	var r adminapi.Result
	f.call("POST", "/actions/drop", `{"route": "b", "dry_run": true}`, 200, &r)
	if r.Matched != 2 || r.Moved != nil || f.kicked != 0 || len(f.recorded) != 0 {
		t.Errorf("a dry run: %+v, %d, %v", r, f.kicked, f.recorded)
	}
	f.call("POST", "/actions/drop", `{"route": "b", "expect": 3}`, 409, nil)
	f.call("POST", "/actions/drop", `{"route": "b", "expect": 2}`, 200, &r)
	if r.Matched != 2 || r.Moved == nil || r.Moved.Requests != 2 || f.kicked != 1 {
		t.Errorf("%+v, %d", r, f.kicked)
	}
	if len(f.recorded) != 1 || f.recorded[0].Kind != events.Operated || f.recorded[0].User != "script" {
		t.Errorf("recorded %+v", f.recorded)
	}
	var page adminapi.Page
	f.call("GET", "/messages?state=dropped", "", 200, &page)
	if ids(page) != "Q4 Q3" {
		t.Errorf("dropped are %s", ids(page))
	}
	f.call("POST", "/actions/retry", `{"queue_ids": ["Q3"]}`, 200, &r)
	f.call("GET", "/messages?state=dropped", "", 200, &page)
	if ids(page) != "Q4" {
		t.Errorf("dropped are %s", ids(page))
	}
	f.call("POST", "/actions/hold", `{"queue_ids": ["Q2"], "reason": "why"}`, 200, &r)
	f.call("GET", "/messages?queue_id=Q2", "", 200, &page)
	if e := page.Requests[0]; e.State != "held" || e.Reason != "why" {
		t.Errorf("held: %+v", e)
	}
	f.call("POST", "/actions/release", `{"all": true}`, 200, &r)
	f.call("GET", "/messages?queue_id=Q2", "", 200, &page)
	if e := page.Requests[0]; e.State != "ready" {
		t.Errorf("released: %+v", e)
	}
}

// A condition without a value would not restrict: nothing is changed.
func TestEmptyConditions(t *testing.T) {
	f := open(t)
	f.fill()
	for body, field := range map[string]string{
		`{"route": "b", "recipient": ""}`:   "recipient",
		`{"states": [], "route": "b"}`:      "states",
		`{"queue_ids": [], "route": "b"}`:   "queue_ids",
		`{"message_id": null, "team": "x"}`: "message_id",
		`{"convo_id": 0, "route": "b"}`:     "convo_id",
		`{"Convo_ID": 0, "route": "b"}`:     "Convo_ID",
	} {
		var p struct{ Field string }
		f.call("POST", "/actions/drop", body, 400, &p)
		if p.Field != field {
			t.Errorf("%s: field %q", body, p.Field)
		}
	}
	f.call("POST", "/holds", `{"route": "", "team": "shop"}`, 400, nil)
	f.call("DELETE", "/holds?route=&team=shop", "", 400, nil)
	f.call("GET", "/messages?route=b&recipient=", "", 400, nil)
	f.call("GET", "/messages?route=b&older=", "", 200, nil)
	if len(f.recorded) != 0 {
		t.Errorf("recorded %+v", f.recorded)
	}
	f.call("POST", "/actions/hold", `{"queue_ids": ["Q2"], "reason": "", "expect": 0}`, 409, nil)
	f.call("POST", "/actions/hold", `{"queue_ids": ["Q2"], "Reason": "", "expect": 0}`, 409, nil)
}

// A route or a team is held also for mail to come, until it is released.
func TestHolds(t *testing.T) {
	f := open(t)
	var h adminapi.Holds
	f.call("POST", "/holds", `{"route": "a", "reason": "maintenance"}`, 200, &h)
	if len(h.Holds) != 2 || h.Holds[0].Reason != "maintenance" || !h.Holds[0].Operator || h.Holds[0].Team != "shop" {
		t.Errorf("%+v", h)
	}
	if len(h.Holds) != 2 || h.Holds[1].Destination() != (spool.Destination{Team: "smarthost:a", Route: "a"}) {
		t.Errorf("what the route sends to its smarthost is not held: %+v", h)
	}
	f.send("Q1", "a", "alice@example.com", nil)
	var page adminapi.Page
	f.call("GET", "/messages?state=held", "", 200, &page)
	if ids(page) != "Q1" || page.Requests[0].HoldLevel != spool.RouteLevel {
		t.Errorf("%+v", page)
	}
	f.call("DELETE", "/holds?route=a", "", 200, &h)
	if len(h.Holds) != 0 || f.kicked != 2 {
		t.Errorf("%+v, %d", h, f.kicked)
	}
	f.call("DELETE", "/holds?route=a", "", 404, nil)
	f.call("POST", "/holds", `{"team": "shop"}`, 200, &h)
	if len(h.Holds) != 2 || h.Holds[1].Destination() != (spool.Destination{Team: "smarthost:a"}) {
		t.Errorf("what routes of the team send to smarthosts is not held: %+v", h)
	}
	f.call("DELETE", "/holds?team=shop", "", 200, &h)
	if len(h.Holds) != 0 {
		t.Errorf("%+v", h)
	}
}

// Who has no token any longer hears nothing any longer.
func TestEventsEndWithTheToken(t *testing.T) {
	f := open(t)
	resp := f.follow()
	began := make([]byte, len(": heyrelay\n\n"))
	if _, err := io.ReadFull(resp.Body, began); err != nil {
		t.Fatal(err)
	}
	operators := access.Options{Tokens: []access.Token{{Name: "script", Value: operating, Role: access.Operate}}}
	if err := f.guard.Update(operators); err != nil {
		t.Fatal(err)
	}
	f.stream.Record(events.Event{Kind: events.Sent, To: []string{"to:alice@example.com"}})
	if n, err := resp.Body.Read(make([]byte, 100)); err != io.EOF {
		t.Errorf("it goes on with %d octets, %v", n, err)
	}
}

// The source of a message is a download, never a page.
func TestRaw(t *testing.T) {
	f := open(t)
	f.fill()
	resp := f.request(reading, "GET", "/messages/Q1/raw", "")
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasPrefix(string(text), "Subject: Printer on fire\r\n") {
		t.Errorf("%q, %v", text, err)
	}
	h := resp.Header
	if h.Get("Content-Type") != "message/rfc822" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") ||
		h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", h)
	}
}

// An error names the field and the remedy, and nothing inward.
func TestProblems(t *testing.T) {
	f := open(t)
	for path, field := range map[string]string{
		"/messages?state=lost": "state",
		"/messages?since=x":    "since",
		"/messages?limit=0":    "limit",
		"/messages?limit=501":  "limit",
		"/messages?older=x":    "older",
		"/messages?subject=x":  "subject",
		"/messages?colour=red": "colour",
		"/conversations/x":     "conversation",
		"/overview?minutes=0":  "minutes",
	} {
		var p struct{ Field, Detail, Remedy string }
		f.call("GET", path, "", 400, &p)
		if p.Field != field || p.Detail == "" || p.Remedy == "" {
			t.Errorf("%s: %+v, want field %s", path, p, field)
		}
	}
	resp := f.request(operating, "PUT", "/holds", "{}")
	if resp.StatusCode != http.StatusMethodNotAllowed || strings.Join(resp.Header["Allow"], " ") != "GET POST DELETE" {
		t.Errorf("%s, %v", resp.Status, resp.Header)
	}
	f.call("GET", "/nothing", "", 404, nil)
	f.broken = true
	resp = f.request(reading, "GET", "/holds", "")
	text, err := io.ReadAll(resp.Body)
	var p struct{ Detail string }
	if err != nil || json.Unmarshal(text, &p) != nil || resp.StatusCode != 500 || strings.Contains(string(text), "sql") {
		t.Errorf("%s: %s, %v", resp.Status, text, err)
	}
	if len(f.recorded) != 1 || f.recorded[0].Err == nil {
		t.Errorf("recorded %+v", f.recorded)
	}
}

// Revoking ends the links of one message, and the log says who did it.
func TestRevoke(t *testing.T) {
	f := open(t)
	f.fill()
	var done adminapi.Revoked
	f.call("POST", "/messages/Q1/revoke", "", 200, &done)
	if done.Revoked != 2 {
		t.Errorf("it ended %d links, want 2", done.Revoked)
	}
	if _, err := f.store.File(t.Context(), spool.LinkHash{1}); !errors.Is(err, spool.ErrNotFound) {
		t.Errorf("the link: %v, want ErrNotFound", err)
	}
	last := f.recorded[len(f.recorded)-1]
	if last.Kind != events.Operated || last.User != "script" || last.Reason != "revoke of 2 links of message Q1" {
		t.Errorf("recorded %+v", last)
	}
}
