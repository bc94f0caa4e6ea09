package heymarket

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"
)

const (
	maxPages   = 20          // of one search
	asked      = 100         // messages that a page is asked to have
	usual      = 30          // messages that a page has where nothing is asked: a full page has at least so many
	maxHiccups = 3           // pages of a search that are asked for again after a temporary error
	overlap    = time.Second // of two pages; the cursor is exclusive, and several messages can have one date
)

// Message is one message in the team's history.
type Message struct {
	ID      int64
	LocalID string
	ConvoID int64 // 0 where the list does not say
	Status  string
	Date    time.Time // zero where it could not be read
}

// Search is what became of a look through the team's history.
type Search struct {
	Message  Message // where Found
	Found    bool
	Complete bool // the whole window was seen: not Found means that it is not there
	Pages    int  // calls that it took; counted with an error too
	hiccups  int  // pages that were asked for again
}

// MessagesAll looks for the message with localID among those dated from from to
// to, by the API's clock, newest first (POST /v1/messages/all, at most 20 pages).
// The window must leave room for clocks that differ. Nobody documents how soon a
// message is listed: a search soon after a send proves little.
//
// Only a Complete search proves that a message is absent. It is not complete
// where the pages ran out or did not behave as pages.
func (c *Client) MessagesAll(ctx context.Context, localID string, from, to time.Time) (Search, error) {
	var s Search
	seen := make(map[int64]bool)
	cursor := to.Add(overlap)
	for s.Pages < maxPages {
		s.Pages++
		page, err := c.page(ctx, cursor)
		if err != nil && s.hiccups < maxHiccups && hiccup(err) {
			s.hiccups++
			continue // the pages before would be lost for it
		}
		if err != nil {
			return s, err
		}
		known := len(seen)
		for _, m := range page {
			if m.LocalID == localID {
				s.Message, s.Found, s.Complete = m, true, true
				return s, nil
			}
			seen[m.ID] = true
		}
		switch {
		case len(page) == 0:
			s.Complete = true
			return s, nil
		case !newestFirst(page):
			return s, nil
		case page[len(page)-1].Date.Before(from):
			s.Complete = true
			return s, nil
		case len(seen) == known:
			// The end of the history, if the page is a rest of the one before. One
			// that is full, or has what the cursor excludes, is no such rest.
			s.Complete = len(page) < usual && page[0].Date.Before(cursor)
			return s, nil
		}
		cursor = page[len(page)-1].Date.Add(overlap)
	}
	return s, nil
}

// hiccup reports whether the same page may well be answered at once: a 5xx or a
// broken connection.
func hiccup(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == 0 || e.Status >= http.StatusInternalServerError)
}

// newestFirst reports whether all messages have a date and stand in the order
// that the search relies on.
func newestFirst(page []Message) bool {
	return !slices.ContainsFunc(page, func(m Message) bool { return m.Date.IsZero() }) &&
		slices.IsSortedFunc(page, func(a, b Message) int { return b.Date.Compare(a.Date) })
}

// page asks for the messages before cursor. This is the one place that knows how
// pages are asked for. The copies of the documentation disagree on the cursor's
// name; an API that knows one of the two ignores the other.
func (c *Client) page(ctx context.Context, cursor time.Time) ([]Message, error) {
	stamp := cursor.UTC().Format(time.RFC3339Nano)
	body, err := encode(map[string]any{"created_at": stamp, "date": stamp, "limit": asked})
	if err != nil {
		return nil, err
	}
	ans, err := c.do(ctx, call{http.MethodPost, "/v1/messages/all", body, maxList})
	if err != nil {
		return nil, err
	}
	var list []object
	if err := json.Unmarshal(ans.body, &list); err != nil {
		return nil, ans.odd("not a list of messages: "+oneLine(err.Error()), err)
	}
	page := make([]Message, 0, len(list))
	for _, o := range list {
		id, ok := o.id("id")
		if !ok {
			return nil, ans.odd("a message without an integer id", nil)
		}
		date, _ := time.Parse(time.RFC3339, o.text("date"))
		page = append(page, Message{ID: id, LocalID: o.text("local_id"), ConvoID: o.ref("conversation"), Status: o.text("status"), Date: date})
	}
	return page, nil
}
