package heymarket_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// history is a message list: newest first, one second between two messages, the
// newest at start. page returns the content of a page; asked counts them.
type history struct {
	asked int
	page  func(before time.Time) []any
}

func (h *history) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked++
	var cursor struct {
		Date time.Time `json:"date"`
		At   time.Time `json:"created_at"`
	}
	if err := json.NewDecoder(r.Body).Decode(&cursor); err != nil || cursor.Date != cursor.At {
		return says("HTTP/1.1 400 Bad Request\r\n\r\n{\"error\": \"cursor\"}")(r)
	}
	body, err := json.Marshal(h.page(cursor.At))
	if err != nil {
		return nil, err
	}
	return says200(string(body))(r)
}

// listed is message n, n seconds before start.
func listed(n int) any {
	return map[string]any{
		"id": 1000 - n, "local_id": fmt.Sprint("l-", n), "conversation": map[string]any{"id": 20, "local_id": "l-7"},
		"status": "sent", "date": start.Add(-time.Duration(n) * time.Second).Format(time.RFC3339),
	}
}

// pages lists messages 0 to total-1, size on a page, each before the cursor.
func pages(total, size int) func(time.Time) []any {
	return func(before time.Time) []any {
		list := []any{}
		for n := range total {
			if len(list) < size && start.Add(-time.Duration(n)*time.Second).Before(before) {
				list = append(list, listed(n))
			}
		}
		return list
	}
}

func TestFindMessage(t *testing.T) {
	first30 := func(time.Time) []any { return pages(30, 30)(start.Add(time.Hour)) }
	undated := func(time.Time) []any { return []any{map[string]any{"id": 1, "local_id": "x", "date": "yesterday"}} }
	oldestFirst := func(time.Time) []any { return []any{listed(5), listed(4)} }
	for _, test := range []struct {
		name     string
		page     func(time.Time) []any
		look     string
		from, to time.Duration // before start
		want     string
	}{
		{"on the first page", pages(500, 30), "l-3", 60 * time.Second, 0, "found 997, 1 pages"},
		{"on the third page", pages(500, 30), "l-75", 90 * time.Second, 0, "found 925, 3 pages"},
		{"a window of the past", pages(500, 30), "l-300", 310 * time.Second, 290 * time.Second, "found 700, 1 pages"},
		{"absent, the window ends", pages(500, 30), "x", 45 * time.Second, 0, "absent, 2 pages"},
		{"absent, the history ends", pages(40, 30), "x", time.Hour, 0, "absent, 3 pages"},
		{"absent, the history is empty", pages(0, 30), "x", time.Hour, 0, "absent, 1 pages"},
		{"absent, one message alone", pages(1, 30), "x", time.Hour, 0, "absent, 2 pages"},
		{"too many pages", pages(1000, 30), "x", time.Hour, 0, "incomplete, 20 pages"},
		{"the cursor is ignored", first30, "x", time.Hour, 0, "incomplete, 2 pages"},
		{"the cursor is ignored, but the window is seen", first30, "x", 20 * time.Second, 0, "absent, 1 pages"},
		{"no dates", undated, "y", time.Hour, 0, "incomplete, 1 pages"},
		{"another order", oldestFirst, "y", 2 * time.Second, 0, "incomplete, 1 pages"},
		{"the conversation's local_id is another", pages(3, 30), "l-7", time.Hour, 0, "absent, 2 pages"},
	} {
		h := &history{page: test.page}
		s, err := client(t, h).FindMessage(t.Context(), test.look, start.Add(-test.from), start.Add(-test.to), nil, nil)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got := "incomplete"
		if s.Found {
			got = fmt.Sprint("found ", s.Message.ID)
		} else if s.Complete {
			got = "absent"
		}
		got = fmt.Sprintf("%s, %d pages", got, s.Pages)
		if got != test.want {
			t.Errorf("%s: %s; not %s", test.name, got, test.want)
		}
		if h.asked != s.Pages {
			t.Errorf("%s: %d calls, %d reported", test.name, h.asked, s.Pages)
		}
		if s.Found && (s.Message.ConvoID != 20 || s.Message.Status != "sent" || !s.Complete) {
			t.Errorf("%s: %+v", test.name, s.Message)
		}
	}
}

// A search that ended early goes on from its Rest, and one that sees nothing more returns it.
func TestSearchGoesOn(t *testing.T) {
	for look, want := range map[string]string{"l-900": "found 100", "x": "absent"} {
		h := &history{page: pages(1000, 30)}
		c := client(t, h)
		from := start.Add(-time.Hour)
		half, err := c.FindMessage(t.Context(), look, from, start, nil, nil)
		if err != nil || half.Complete || half.Rest == nil {
			t.Fatalf("%+v, %v, want a search that is not complete", half, err)
		}
		stop := func(context.Context, int) error { return errors.New("no more") }
		if none, err := c.FindMessage(t.Context(), look, from, start, half.Rest, stop); err != nil || none.Rest != half.Rest {
			t.Errorf("%+v, %v, want the Rest that it was given", none, err)
		}
		end, err := c.FindMessage(t.Context(), look, from, start, half.Rest, nil)
		got := "absent"
		if end.Found {
			got = fmt.Sprint("found ", end.Message.ID)
		}
		if err != nil || !end.Complete || got != want || end.Rest != nil {
			t.Errorf("%+v, %v, want %s", end, err, want)
		}
		if h.asked > 37 { // 29 new messages a page, and the end
			t.Errorf("%s: %d pages, some of them twice", look, h.asked)
		}
	}
}

// TestSearchOfOneSecond: more messages with one date than a page holds cannot be
// paged through, and that does not pass for the end of the history.
func TestSearchOfOneSecond(t *testing.T) {
	same := func(before time.Time) []any {
		var list []any
		for n := range 30 {
			list = append(list, map[string]any{"id": 1 + n, "local_id": "x", "date": start.Format(time.RFC3339)})
		}
		return list
	}
	s, err := client(t, &history{page: same}).FindMessage(t.Context(), "y", start.Add(-time.Hour), start, nil, nil)
	if err != nil || s.Complete || s.Found {
		t.Errorf("%+v, %v", s, err)
	}
}

// A page that fails temporarily is requested again, three times in a search: the
// pages before it would be lost otherwise.
func TestSearchRepeatsAPage(t *testing.T) {
	down := client(t, says("HTTP/1.1 500 Internal Server Error\r\n\r\n"))
	s, err := down.FindMessage(t.Context(), "x", start, start, nil, nil)
	failure(t, err)
	if s.Pages != 4 || s.Found || s.Complete {
		t.Errorf("%+v", s)
	}
}

func TestSearchFails(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 400 Bad Request\r\n\r\n{\"error\": \"date\"}",
		"HTTP/1.1 200 OK\r\n\r\n{\"messages\": []}",
		"HTTP/1.1 200 OK\r\n\r\n[{\"id\": \"1\"}]",
		"HTTP/1.1 200 OK\r\n\r\n<p>Sign in</p>",
	} {
		s, err := client(t, says(answer)).FindMessage(t.Context(), "x", start, start, nil, nil)
		failure(t, err)
		if s.Pages != 1 || s.Found || s.Complete {
			t.Errorf("%q: %+v", answer, s)
		}
	}
}

// ahead is a transport whose clock is ahead of ours, and that answers with the messages before the cursor.
func ahead(by time.Duration) carrier {
	h := &history{page: pages(500, 100)}
	return func(r *http.Request) (*http.Response, error) {
		resp, err := h.RoundTrip(r)
		if err == nil {
			resp.Header.Set("Date", start.Add(by).UTC().Format(http.TimeFormat))
		}
		return resp, err
	}
}

// TestSearchByAnotherClock: where the API's clock differs, a message has another date than its send. The first search
// finds that out and proves nothing, the next one is of the time by both clocks.
func TestSearchByAnotherClock(t *testing.T) {
	s, err := client(t, ahead(time.Hour)).FindMessage(t.Context(), "x", start.Add(-time.Minute), start, nil, nil)
	if !s.Complete {
		t.Errorf("a clock that is plainly wrong counts: %+v (%v)", s, err)
	}
	for _, by := range []time.Duration{3 * time.Minute, -3 * time.Minute} {
		c := client(t, ahead(by))
		sent := start.Add(-4 * time.Minute)
		listed := fmt.Sprint("l-", int((4*time.Minute - by).Seconds()))
		for n, want := range []string{"found false, complete false", "found true, complete true"} {
			s, err := c.FindMessage(t.Context(), listed, sent.Add(-time.Minute), sent.Add(time.Minute), nil, nil)
			if got := fmt.Sprintf("found %t, complete %t", s.Found, s.Complete); got != want || err != nil {
				t.Errorf("ahead by %v, search %d: %s (%v), want %s", by, n, got, err, want)
			}
		}
		s, err := c.FindMessage(t.Context(), "x", sent.Add(-time.Minute), sent.Add(time.Minute), nil, nil)
		if s.Found || !s.Complete || err != nil {
			t.Errorf("ahead by %v, absent: %+v (%v)", by, s, err)
		}
	}
}
