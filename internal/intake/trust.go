package intake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
)

// told is what an application says to the gateway itself, in X-Heymarket-* fields
// of its messages.
type told struct {
	convoID  int64           // the conversation that the visible recipients' request goes to
	title    string          // stands for the Subject as title
	key      string          // two messages with one key are one message
	priority *spool.Priority // of all requests
	anew     bool            // each request opens a conversation
}

// control begins the names of those fields.
const control = "X-Heymarket-"

// controls are what an application can say, each with what it has to be and how it
// is read.
var controls = []struct {
	name, want string
	read       func(t *told, value string) bool
}{
	{"Convo-Id", "the number of a conversation", func(t *told, value string) bool {
		n, _ := strconv.ParseInt(value, 10, 64)
		t.convoID = n
		return n > 0 && strconv.FormatInt(n, 10) == value
	}},
	{"Title", "a title", func(t *told, value string) bool {
		t.title = value
		return strings.TrimSpace(value) != ""
	}},
	{"Idempotency-Key", "1 to 255 printable ASCII characters", func(t *told, value string) bool {
		t.key = value
		return value != "" && len(value) <= 255 && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
	}},
	{"Priority", "high, normal or bulk", func(t *told, value string) bool {
		p, err := spool.ParsePriority(value)
		t.priority = &p
		return err == nil
	}},
	{"New-Conversation", "yes", func(t *told, value string) bool {
		t.anew = strings.EqualFold(value, "yes")
		return t.anew
	}},
}

// obey reads what an application says on a route that trusts it. A message of which
// something does not parse is refused: to send it otherwise than its application
// means would be a guess.
func obey(route config.Route, h mimeconv.Header) (t told, err error) {
	if !route.TrustHeaders {
		return t, nil
	}
	for _, f := range controls {
		value, given := h.Control[strings.ToLower(f.name)]
		if !given {
			continue
		}
		if values := slices.Compact(strings.Split(value, "\n")); len(values) > 1 {
			return t, fmt.Errorf("%w: %s%s is given twice, with different values", errControl, control, f.name)
		}
		if value, _, _ = strings.Cut(value, "\n"); !f.read(&t, value) {
			return t, fmt.Errorf("%w: %s%s is %.60q; write %s, or leave it out", errControl, control, f.name, value, f.want)
		}
	}
	if t.anew && t.convoID != 0 {
		return t, fmt.Errorf("%w: %[2]sConvo-Id and %[2]sNew-Conversation exclude each other; leave one out", errControl, control)
	}
	return t, nil
}

// urgency is the priority of a message's requests, and what decided it.
func urgency(route config.Route, h mimeconv.Header, t told) (p spool.Priority, why string) {
	p = priorities[route.Priority]
	switch {
	case t.priority != nil:
		return *t.priority, control + "Priority"
	case route.BulkHeaders && h.Bulk && p == spool.Normal:
		return spool.Bulk, "bulk_headers: Precedence or List-Unsubscribe"
	}
	return p, "route " + route.Name
}
