package heymarket

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

const (
	maxPages   = 20          // of one search
	pageLimit  = 100         // messages that the client asks for in a page
	usualPage  = 30          // messages in a page by default: a full page has at least so many
	maxRepeats = 3           // pages of a search that are requested again after a temporary error
	overlap    = time.Second // of two pages; the cursor is exclusive, and several messages can have one date
)

// Message is one message in the team's history.
type Message struct {
	ID      int64
	LocalID string
	ConvoID int64 // 0 if the list does not have it
	Status  string
	Date    time.Time // zero if it could not be read
}

// Search is the result of a search of the team's history.
type Search struct {
	Message  Message // if Found
	Found    bool
	Complete bool  // the whole window was seen: a message that was not Found is absent
	Pages    int   // calls made, those that failed included
	Rest     *Rest // what is left of a search that ended early; nil if there is nothing to go on from

	RequestID string // X-Request-Id of the last page that was returned
}

// Rest is what is left of a search, in times of the API's clock. It does not change.
type Rest struct {
	first, last time.Time // the span searched; what is dated before first need not be seen
	cursor      time.Time // the messages of the next page are dated before it
}

// FindMessage searches for the message with localID among those dated from from
// to to, newest first (POST /v1/messages/all). Both are times of our clock: where the
// API's differs by up to five minutes, as its responses say, the search is of both spans.
// It must leave room for a smaller difference. Nobody documents how soon a message is
// listed: a search soon after a send proves little.
//
// Each page is a call. Before each one FindMessage calls before, unless that is
// nil, with the number of pages made so far, so that the caller can take the call
// from its budget, wait, or stop: an error of before ends the search without
// being returned. So does the end of ctx, and the 20th page. The search is then
// not complete, and FindMessage can go on from its Rest, given the same localID, from
// and to. It returns rest itself if it has seen nothing more. rest is nil for a search
// that begins.
//
// Only a Complete search proves that a message is absent. It is not complete
// either if the pages do not behave as pages, or if the first of them says that the
// clocks differ.
func (c *Client) FindMessage(
	ctx context.Context, localID string, from, to time.Time, rest *Rest,
	before func(ctx context.Context, pages int) error,
) (Search, error) {
	s := finder{localID: localID, seen: make(map[int64]bool)}
	s.Rest = rest
	if rest == nil {
		first, last := c.skew.widen(from, to)
		rest = &Rest{first, last, last.Add(overlap)}
	}
	for s.Pages < maxPages {
		if ctx.Err() != nil || before != nil && before(ctx, s.Pages) != nil {
			return s.Search, nil
		}
		s.Pages++
		p, err := c.page(ctx, rest.cursor)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return s.Search, nil
		case s.repeats < maxRepeats && repeatable(err):
			s.repeats++
			continue // the pages before would be lost otherwise
		default:
			return s.Search, err
		}
		s.RequestID = p.requestID
		if s.look(p, rest) {
			s.Rest = nil
			s.Complete = s.Complete && (s.Found || c.skew.covers(rest.first, rest.last, from, to))
			return s.Search, nil
		}
		if next := p.last().Date.Add(overlap); next.Before(rest.cursor) {
			rest = &Rest{rest.first, rest.last, next}
			s.Rest = rest
		}
	}
	return s.Search, nil
}

// finder is a search that goes on.
type finder struct {
	Search  // so far
	localID string
	seen    map[int64]bool // by id, the messages of the pages so far
	repeats int            // pages that were requested again
}

// look examines the first page of rest, and reports whether the search ends with it.
func (s *finder) look(p page, rest *Rest) (end bool) {
	known := len(s.seen)
	for _, m := range p.messages {
		if m.LocalID == s.localID {
			s.Message = m
			s.Found = true
			s.Complete = true
			return true
		}
		s.seen[m.ID] = true
	}
	switch {
	case len(p.messages) == 0:
		s.Complete = true
		return true
	case !p.newestFirst():
		return true
	case p.last().Date.Before(rest.first):
		s.Complete = true
		return true
	case len(s.seen) == known:
		// The end of the history, if the page is a rest of the one before. One that is
		// full, was cut, or has what the cursor excludes, is no such rest.
		s.Complete = len(p.messages) < usualPage && !p.cut && p.messages[0].Date.Before(rest.cursor)
		return true
	}
	return false
}

// repeatable reports whether the same page may well succeed at once: after a 5xx
// or a broken connection.
func repeatable(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == 0 || e.Status >= http.StatusInternalServerError)
}

// page is a part of the history.
type page struct {
	messages  []Message
	cut       bool // the list was too long: these are its first messages
	requestID string
}

func (p page) last() Message { return p.messages[len(p.messages)-1] }

// newestFirst reports whether all messages have a date and are in the order that
// the search relies on.
func (p page) newestFirst() bool {
	return !slices.ContainsFunc(p.messages, func(m Message) bool { return m.Date.IsZero() }) &&
		slices.IsSortedFunc(p.messages, func(a, b Message) int { return b.Date.Compare(a.Date) })
}

// page requests the messages before cursor. This is the one place that knows how
// pages are requested. The documentation disagrees on the cursor's name; an API
// that knows one of the two ignores the other.
func (c *Client) page(ctx context.Context, cursor time.Time) (page, error) {
	stamp := cursor.UTC().Format(time.RFC3339Nano)
	body, err := newBody(map[string]any{"created_at": stamp, "date": stamp, "limit": pageLimit})
	if err != nil {
		return page{}, err
	}
	defer body.release()
	var p page
	element := func(o object) error {
		id, ok := o.id("id")
		if !ok {
			return errors.New("a message without an integer id")
		}
		date, _ := time.Parse(time.RFC3339, o.text("date"))
		p.messages = append(p.messages, Message{
			ID:      id,
			LocalID: o.text("local_id"),
			ConvoID: o.ref("conversation"),
			Status:  o.text("status"),
			Date:    date,
		})
		return nil
	}
	resp, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/messages/all", body: body, element: element})
	if err != nil {
		return page{}, err
	}
	p.cut = resp.cut
	p.requestID = resp.requestID
	return p, nil
}
