package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

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
