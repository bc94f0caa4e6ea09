package adminapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// The lengths of a page.
const (
	defaultLimit = 100
	maxLimit     = 500
)

// query reads the parameters of a request. The first that cannot be used is its error.
type query struct {
	values url.Values
	err    error
}

// paging are the parameters that do not restrict what is found.
var paging = []string{"limit", "older", "newer", "order"}

// queryOf returns the parameters of r, which has no others than known.
func queryOf(r *http.Request, known ...string) *query {
	q := &query{values: r.URL.Query()}
	for name, values := range q.values {
		if !slices.Contains(known, name) {
			q.reject(name, fmt.Sprintf("there is no parameter %q", name), "known parameters are "+strings.Join(known, ", "))
		}
		if slices.Contains(values, "") && !slices.Contains(paging, name) {
			q.reject(name, "the parameter "+name+" is empty", "give it a value, or omit it")
		}
		if len(values) > 1 && name != "state" && name != "queue_id" {
			q.reject(name, "the parameter "+name+" is given more than once", "give it once")
		}
	}
	return q
}

func (q *query) reject(field, detail, remedy string) {
	if q.err == nil {
		q.err = invalid(field, detail, remedy)
	}
}

// number reads a number from 1 to largest (0: any).
func (q *query) number(name string, unset, largest int64) int64 {
	text := q.values.Get(name)
	if text == "" {
		return unset
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || largest > 0 && n > largest {
		remedy := "write a number, 1 or more"
		if largest > 0 {
			remedy = fmt.Sprintf("write a number from 1 to %d", largest)
		}
		q.reject(name, name+" cannot be "+strconv.Quote(text), remedy)
	}
	return n
}

// filterParameters are the parameters of GET /messages.
var filterParameters = []string{
	"queue_id", "state", "route", "team", "recipient", "message_id", "local_id", "convo_id", "subject", "since", "before",
	"limit", "older", "newer", "order",
}

// filterOf reads the filter of GET /messages.
func filterOf(r *http.Request) (spool.Filter, error) {
	q := queryOf(r, filterParameters...)
	v := q.values
	s := Selection{
		QueueIDs:  v["queue_id"],
		States:    v["state"],
		Route:     v.Get("route"),
		Team:      v.Get("team"),
		Recipient: v.Get("recipient"),
		MessageID: v.Get("message_id"),
		LocalID:   v.Get("local_id"),
		ConvoID:   q.number("convo_id", 0, 0),
		Subject:   v.Get("subject"),
		Since:     v.Get("since"),
		Before:    v.Get("before"),
	}
	f, err := s.filter("state")
	f.Limit = int(q.number("limit", defaultLimit, maxLimit))
	f.Older = q.number("older", 0, 0)
	f.Newer = q.number("newer", 0, 0)
	switch v.Get("order") {
	case "", "newest":
	case "oldest":
		f.OldestFirst = true
	default:
		q.reject("order", "order cannot be "+strconv.Quote(v.Get("order")), "write newest or oldest")
	}
	if q.err != nil {
		return f, q.err
	}
	return f, err
}

// Selection is the requests that an action applies to. Everything that is given must match; All
// stands for no condition.
type Selection struct {
	QueueIDs  []string `json:"queue_ids"`
	States    []string `json:"states"` // waiting stands for all that have not ended
	Route     string   `json:"route"`
	Team      string   `json:"team"`
	Recipient string   `json:"recipient"`
	MessageID string   `json:"message_id"`
	LocalID   string   `json:"local_id"`
	ConvoID   int64    `json:"convo_id"`
	Subject   string   `json:"subject"` // only with a time
	Since     string   `json:"since"`   // RFC 3339
	Before    string   `json:"before"`
	All       bool     `json:"all"`
}

// maxQueueIDs bounds what one request names.
const maxQueueIDs = 1000

// filter returns s as the spool knows it. states is what the field of the states is called.
func (s Selection) filter(states string) (f spool.Filter, err error) {
	f = spool.Filter{
		QueueIDs:  s.QueueIDs,
		Route:     s.Route,
		Team:      s.Team,
		Recipient: s.Recipient,
		MessageID: s.MessageID,
		LocalID:   s.LocalID,
		ConvoID:   s.ConvoID,
		Subject:   s.Subject,
	}
	if len(s.QueueIDs) > maxQueueIDs {
		return f, invalid("queue_ids", fmt.Sprintf("more than %d messages are named", maxQueueIDs),
			"name fewer, or use a filter")
	}
	f.States, err = spool.ParseStates(s.States)
	if err != nil {
		return f, invalid(states, err.Error(), "or write waiting for all that have not ended")
	}
	f.Since, err = moment("since", s.Since)
	if err != nil {
		return f, err
	}
	f.Before, err = moment("before", s.Before)
	if err != nil {
		return f, err
	}
	if f.Subject != "" && f.Since.IsZero() && f.Before.IsZero() {
		return f, invalid("subject", "subject needs a time window", "add since or before")
	}
	return f, nil
}

// isEmpty reports whether s has no condition.
func (s Selection) isEmpty() bool {
	return len(s.QueueIDs) == 0 && len(s.States) == 0 && s.Route == "" && s.Team == "" && s.Recipient == "" &&
		s.MessageID == "" && s.LocalID == "" && s.ConvoID == 0 && s.Subject == "" && s.Since == "" && s.Before == ""
}

func moment(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, invalid(field, field+" cannot be "+strconv.Quote(text), "write a time such as 2026-11-01T12:00:00Z")
	}
	return t, nil
}
