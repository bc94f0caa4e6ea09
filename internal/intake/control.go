package intake

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
)

// controlHeaders are the values of X-Heymarket-* fields, by which an application
// controls how heyrelay treats a message.
type controlHeaders struct {
	convoID         int64           // conversation of the visible recipients' request, 0: not given
	title           string          // replaces the Subject as title
	key             string          // messages with the same key are the same message
	priority        *spool.Priority // of all requests
	newConversation bool            // each request opens a conversation
}

// controlPrefix begins the names of control headers.
const controlPrefix = "X-Heymarket-"

// controlFields has for each control header its name without the prefix, what its
// value must be, and the function that parses it and reports whether it is valid.
var controlFields = []struct {
	name  string
	want  string
	parse func(c *controlHeaders, value string) bool
}{
	{"Convo-Id", "the number of a conversation", parseConvoID},
	{"Title", "non-empty text", parseTitle},
	{"Idempotency-Key", "1 to 255 printable ASCII characters", parseKey},
	{"Priority", "high, normal or bulk", parsePriority},
	{"New-Conversation", "yes", parseNewConversation},
}

func parseConvoID(c *controlHeaders, value string) bool {
	n, _ := strconv.ParseInt(value, 10, 64)
	c.convoID = n
	return n > 0 && strconv.FormatInt(n, 10) == value
}

func parseTitle(c *controlHeaders, value string) bool {
	c.title = value
	return strings.TrimSpace(value) != ""
}

func parseKey(c *controlHeaders, value string) bool {
	c.key = value
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	return value != "" && len(value) <= 255 && !strings.ContainsFunc(value, unprintable)
}

func parsePriority(c *controlHeaders, value string) bool {
	p, err := spool.ParsePriority(value)
	c.priority = &p
	return err == nil
}

func parseNewConversation(c *controlHeaders, value string) bool {
	c.newConversation = strings.EqualFold(value, "yes")
	return c.newConversation
}

// parseControl parses the control headers, if the route trusts them. A message with
// an invalid one is refused: sending it without would be a guess at what its
// application means.
func parseControl(route *config.Route, h *mimeconv.Header) (controlHeaders, error) {
	var c controlHeaders
	if !route.TrustHeaders {
		return c, nil
	}
	for _, f := range controlFields {
		lines, given := h.Control[strings.ToLower(f.name)]
		if !given {
			continue
		}
		values := slices.Compact(strings.Split(lines, "\n"))
		if len(values) > 1 {
			return c, fmt.Errorf("%w: %s%s is repeated with different values", errControl, controlPrefix, f.name)
		}
		if !f.parse(&c, values[0]) {
			return c, fmt.Errorf("%w: %s%s is %.60q; it must be %s",
				errControl, controlPrefix, f.name, values[0], f.want)
		}
	}
	if c.newConversation && c.convoID != 0 {
		return c, fmt.Errorf("%w: %[2]sConvo-Id and %[2]sNew-Conversation are mutually exclusive",
			errControl, controlPrefix)
	}
	return c, nil
}

// ControlUnknown is the code of the warning of a control header that does not exist.
const ControlUnknown = "control-unknown"

// unknownControl warns of control headers that do not exist.
func unknownControl(h *mimeconv.Header) []mimeconv.Warning {
	const most = 10
	var known []string
	unknown := maps.Clone(h.Control)
	for _, f := range controlFields {
		known = append(known, f.name)
		delete(unknown, strings.ToLower(f.name))
	}
	names := slices.Sorted(maps.Keys(unknown))
	var all []mimeconv.Warning
	for _, name := range names[:min(len(names), most)] {
		field := fmt.Sprintf("%s%.60s", controlPrefix, name)
		detail := field + " does not exist and has no effect; known fields are " + strings.Join(known, ", ")
		all = append(all, mimeconv.Warning{Code: ControlUnknown, Part: field, Detail: detail})
	}
	return all
}

// priority returns the priority of a message's requests, and what decided it.
func priority(route *config.Route, h *mimeconv.Header, c controlHeaders) (p spool.Priority, reason string) {
	p = priorities[route.Priority]
	switch {
	case c.priority != nil:
		return *c.priority, controlPrefix + "Priority"
	case route.BulkHeaders && h.Bulk && p == spool.Normal:
		return spool.Bulk, "bulk_headers: Precedence or List-Unsubscribe"
	}
	return p, "route " + route.Name
}
