package adminapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/activity"
	"heyrelay/internal/problem"
	"heyrelay/internal/spool"
)

// Overview is the answer of GET /overview.
type Overview struct {
	Status  string             `json:"status"`  // serving, degraded or not serving
	Reasons []string           `json:"reasons"` // why it is not better
	States  map[string]int     `json:"states"`  // requests ever accepted, by state
	Routes  []spool.RouteStats `json:"routes"`
	Teams   []Team             `json:"teams"`
	Holds   []spool.Kept       `json:"holds"`
	Oldest  *spool.Entry       `json:"oldest,omitempty"` // the request that has been pending longest
	Minutes []Minute           `json:"minutes"`          // oldest first; the last one is not over
}

// Minute is what happened within one minute.
type Minute struct {
	Start    time.Time      `json:"start"`
	Accepted int            `json:"accepted"` // messages
	Refused  int            `json:"refused"`  // messages and commands
	Sent     int            `json:"sent"`     // requests
	Flagged  int            `json:"flagged"`
	Failed   int            `json:"failed"`
	Deferred int            `json:"deferred"`           // attempts that failed for now
	Pending  *int           `json:"pending"`            // requests at the last look; null: nobody looked
	Median   *int64         `json:"delivery_median_ms"` // from the 250 to the API's acceptance; null: none
	P95      *int64         `json:"delivery_p95_ms"`
	Calls    map[string]int `json:"calls_by_team"` // that ended
}

func minuteOf(m activity.Minute) Minute {
	written := Minute{
		Start:    m.Start,
		Accepted: m.Accepted,
		Refused:  m.Refused,
		Sent:     m.Sent,
		Flagged:  m.Flagged,
		Failed:   m.Failed,
		Deferred: m.Deferred,
		Calls:    m.Calls,
	}
	if m.Pending >= 0 {
		written.Pending = &m.Pending
	}
	if m.Median > 0 {
		median, p95 := m.Median.Milliseconds(), m.P95.Milliseconds()
		written.Median = &median
		written.P95 = &p95
	}
	return written
}

// Team is the budget of a team.
type Team struct {
	Team  string `json:"team"`
	Rate  int    `json:"rate_per_minute"`      // calls that it may make
	Calls int    `json:"calls_of_last_minute"` // calls that ended in the last whole minute
}

func (s *server) overview(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r, "minutes")
	minutes := q.number("minutes", 60, activity.Span)
	if q.err != nil {
		return q.err
	}
	o := Overview{States: map[string]int{}}
	for _, m := range s.Activity.Last(int(minutes)) {
		o.Minutes = append(o.Minutes, minuteOf(m))
	}
	o.Status, o.Reasons = s.Health(r.Context())
	var err error
	o.Routes, err = s.Operator.Stats(r.Context())
	if err != nil {
		return err
	}
	for _, route := range o.Routes {
		for state, n := range route.States {
			o.States[state] += n
		}
	}
	o.Holds, err = s.Operator.Kept(r.Context())
	if err != nil {
		return err
	}
	e, found, err := s.Operator.Oldest(r.Context())
	if err != nil {
		return err
	}
	if found {
		o.Oldest = &e
	}
	last := s.Activity.Last(2)[0]
	for _, team := range slices.Sorted(maps.Keys(s.Rates)) {
		o.Teams = append(o.Teams, Team{Team: team, Rate: s.Rates[team], Calls: last.Calls[team]})
	}
	o.Reasons = list(o.Reasons)
	o.Routes = list(o.Routes)
	o.Teams = list(o.Teams)
	o.Holds = list(o.Holds)
	return answer(w, o)
}

// list returns l, which is written as [] if it is empty.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// Page is the answer of GET /messages.
type Page struct {
	Requests []Entry `json:"requests"` // newest first, unless order is oldest
	Older    string  `json:"older,omitempty"`
	Newer    string  `json:"newer,omitempty"`
	More     bool    `json:"more"`
}

// Entry is a request in a list.
type Entry struct {
	Cursor string `json:"cursor"` // for older and newer
	spool.Entry
}

func entries(list []spool.Entry) []Entry {
	all := make([]Entry, 0, len(list))
	for _, e := range list {
		all = append(all, Entry{cursor(e.Number), e})
	}
	return all
}

// cursor returns the text of a number of spool.Page; "" for none.
func cursor(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func (s *server) messages(w http.ResponseWriter, r *http.Request) error {
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	page, err := s.Operator.Search(r.Context(), f)
	if err != nil {
		return err
	}
	return answer(w, Page{
		Requests: entries(page.Entries),
		Older:    cursor(page.Older),
		Newer:    cursor(page.Newer),
		More:     page.More,
	})
}

func (s *server) message(w http.ResponseWriter, r *http.Request) error {
	m, err := s.Operator.Show(r.Context(), r.PathValue("queue_id"))
	if err != nil {
		return err
	}
	warnings := json.RawMessage(m.Warnings)
	if len(warnings) == 0 {
		warnings = json.RawMessage("[]")
	}
	return answer(w, struct {
		spool.MessageDetail
		Warnings    json.RawMessage `json:"warnings"`
		Attachments []Attachment    `json:"attachments"`
	}{m, warnings, s.written(m.Attachments)})
}

// Content is the answer of GET /messages/{queue_id}/content.
type Content struct {
	HTML string `json:"html"` // hostile: never show it outside of a sandbox
	Text string `json:"text"`
	Raw  bool   `json:"has_source"` // GET /messages/{queue_id}/raw has it
}

func (s *server) content(w http.ResponseWriter, r *http.Request) error {
	c, err := s.Operator.Content(r.Context(), r.PathValue("queue_id"))
	if err != nil {
		return err
	}
	return answer(w, Content{HTML: c.HTML, Text: c.Text, Raw: c.Raw != nil})
}

// raw answers with the source as a download: nothing in it is shown or run.
func (s *server) raw(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("queue_id")
	c, err := s.Operator.Content(r.Context(), id)
	if err != nil {
		return err
	}
	if c.Raw == nil {
		return fmt.Errorf("%w: source of %s", spool.ErrNotFound, id)
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("Content-Disposition", "attachment; filename=message.eml")
	_, _ = w.Write(c.Raw) // the client may have gone
	return nil
}

// Send is what the API gets for a request.
type Send struct {
	LocalID string          `json:"local_id"`
	Body    json.RawMessage `json:"body"` // as it is posted
}

func (s *server) sends(w http.ResponseWriter, r *http.Request) error {
	tasks, err := s.Operator.Sends(r.Context(), r.PathValue("queue_id"))
	if err != nil {
		return err
	}
	all := make([]Send, 0, len(tasks))
	for _, t := range tasks {
		body, err := s.Body(t)
		if err != nil {
			return err
		}
		if body == nil { // it leaves by a smarthost
			continue
		}
		all = append(all, Send{t.LocalID, body})
	}
	return answer(w, struct {
		Sends []Send `json:"sends"`
	}{all})
}

// Conversation is the answer of GET /conversations/{conversation}.
type Conversation struct {
	spool.Conversation
	Requests []Letter `json:"requests"` // newest first
	More     bool     `json:"more"`
}

// Letter is a request of a conversation.
type Letter struct {
	Cursor string `json:"cursor"` // for older
	spool.Letter
}

func (s *server) conversation(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r, "older", "limit")
	older := q.number("older", 0, 0)
	limit := int(q.number("limit", defaultLimit, maxLimit))
	if q.err != nil {
		return q.err
	}
	id, err := strconv.ParseInt(r.PathValue("conversation"), 10, 64)
	if err != nil || id <= 0 {
		return invalid("conversation", "the conversation is not a number",
			"use the number that a request has as conversation")
	}
	c, letters, err := s.Operator.Conversation(r.Context(), id, older, limit+1)
	if err != nil {
		return err
	}
	written := Conversation{Conversation: c, Requests: []Letter{}, More: len(letters) > limit}
	for _, l := range letters[:min(len(letters), limit)] {
		written.Requests = append(written.Requests, Letter{cursor(l.Number), l})
	}
	return answer(w, written)
}

func (s *server) holds(w http.ResponseWriter, r *http.Request) error {
	kept, err := s.Operator.Kept(r.Context())
	if err != nil {
		return err
	}
	return answer(w, Holds{list(kept)})
}

// Holds is the answer of GET /holds.
type Holds struct {
	Holds []spool.Kept `json:"holds"`
}

// keepAlive is how often a stream of events has a comment, so that nothing between us and the
// client takes it for dead.
const keepAlive = 15 * time.Second

// events answers with what happens, until the client goes (server-sent events, as the HTML
// standard defines them). A client that does not keep up is cut off, and connects again.
func (s *server) events(w http.ResponseWriter, r *http.Request) error {
	happens, end, ok := s.Events.Subscribe()
	if !ok {
		return fault{problem.Problem{
			Status: http.StatusServiceUnavailable,
			Detail: "too many clients follow the events",
			Remedy: "close some, or try again later",
		}}
	}
	defer end()
	c := http.NewResponseController(w)
	if err := errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy must not collect them
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	text := []byte(": heyrelay\n\n")
	for access.StillKnown(r.Context()) {
		_ = c.SetWriteDeadline(time.Now().Add(keepAlive))
		if _, err := w.Write(text); err != nil {
			return nil // the client has gone
		}
		if err := c.Flush(); err != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-tick.C:
			text = []byte(": \n\n")
		case e, ok := <-happens:
			if !ok {
				return nil
			}
			data, err := json.Marshal(e)
			if err != nil {
				return err
			}
			text = fmt.Appendf(nil, "event: %s\ndata: %s\n\n", e.Kind, data)
		}
	}
	return nil
}
