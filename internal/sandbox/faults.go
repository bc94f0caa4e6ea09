package sandbox

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is one kind of failure. Its text is the local part that triggers it.
type Fault string

// The faults. The package documentation describes them.
const (
	TempError     Fault = "temperror"
	PermError     Fault = "permerror"
	Unauthorized  Fault = "unauthorized"
	Denied        Fault = "denied"
	Timeout       Fault = "timeout"
	Conflict      Fault = "conflict"
	TooLarge      Fault = "toolarge"
	Unprocessed   Fault = "unprocessed"
	TooEarly      Fault = "tooearly"
	Teapot        Fault = "teapot"
	Throttle      Fault = "throttle"
	ThrottleFor   Fault = "throttlefor"
	ThrottleUntil Fault = "throttleuntil"
	Unavailable   Fault = "unavailable"
	Redirect      Fault = "redirect"
	HTML200       Fault = "html200"
	HTML403       Fault = "html403"
	Switching     Fault = "switching"
	Refused       Fault = "refused"
	DropBefore    Fault = "dropbefore"
	DropAfter     Fault = "dropafter"
	HalfAnswer    Fault = "halfanswer"
	LateError     Fault = "lateerror"
	Slow          Fault = "slow"
	Huge          Fault = "huge"
	NotQueued     Fault = "notqueued"
	NoID          Fault = "noid"
	NoConvo       Fault = "noconvo"
	Compliance    Fault = "compliance"
	Foreign       Fault = "foreign"
	Elsewhere     Fault = "elsewhere"
	Gone          Fault = "gone"
	Moved         Fault = "moved"
	NoInbox       Fault = "noinbox"
)

// retryTime is the Retry-After of ThrottleFor and ThrottleUntil.
const retryTime = 60 * time.Second

// row is a fault in the table.
type row struct {
	fault   Fault
	does    string
	instead func(*Sandbox) reply                    // responds in place of the call, which is not carried out
	bend    func(reply) reply                       // changes the response to a call that was carried out
	after   func(m *message, answer map[string]any) // changes a message that was accepted, and the response to it
	look    func(answer map[string]any)             // changes the response to a look-up of the conversation
}

// table lists the faults, in the order of the package documentation.
func table() []row {
	return slices.Concat(refusals(), interferences(), interruptions(), surprises())
}

// refusals are errors of the API.
func refusals() []row {
	return []row{
		{fault: TempError, does: "500", instead: status(500)},
		{fault: PermError, does: "400", instead: status(400)},
		{fault: Unauthorized, does: "401", instead: status(401)},
		{fault: Denied, does: "403", instead: status(403)},
		{fault: Timeout, does: "408", instead: status(408)},
		{fault: Conflict, does: "409", instead: status(409)},
		{fault: TooLarge, does: "413", instead: status(413)},
		{fault: Unprocessed, does: "422", instead: status(422)},
		{fault: TooEarly, does: "425", instead: status(425)},
		{fault: Teapot, does: "418, an unexpected status", instead: status(418)},
		{fault: Throttle, does: "429, as for a call over the rate", instead: (*Sandbox).throttled},
		{fault: ThrottleFor, does: "429 with a Retry-After of 60 s", instead: throttledFor},
		{fault: ThrottleUntil, does: "429 with a Retry-After that is a date, 60 s ahead", instead: throttledUntil},
	}
}

// interferences are responses that do not come from the API.
func interferences() []row {
	portal := "https://portal.example/"
	return []row{
		{
			fault:   Unavailable,
			does:    "503 with an HTML page and a Retry-After of 1 s",
			instead: page(503, "Retry-After", "1"),
		},
		{fault: Redirect, does: "302 to another host", instead: page(302, "Location", portal)},
		{
			fault:   HTML200,
			does:    "200 with an HTML page, as from a captive portal",
			instead: page(200, "Server", "portal"),
		},
		{
			fault:   HTML403,
			does:    "403 with an HTML page, as from a firewall",
			instead: page(403, "Server", "firewall"),
		},
		{fault: Switching, does: "101; then the connection stays open and silent", instead: switching},
		{fault: Refused, does: "the connection is refused (a server can only cut it)", instead: silence(refused)},
		{fault: DropBefore, does: "the connection is cut", instead: silence(cut)},
	}
}

// interruptions happen to the response after the message was accepted.
func interruptions() []row {
	return []row{
		{
			fault: DropAfter,
			does:  "accepted; then the connection is cut",
			bend:  endsWith(cut),
		},
		{
			fault: HalfAnswer,
			does:  "accepted; the response breaks off in the middle",
			bend:  endsWith(half),
		},
		{
			fault: LateError,
			does:  "accepted; 500",
			bend: func(reply) reply {
				return errorReply(http.StatusInternalServerError, "after the message was accepted")
			},
		},
		{
			fault: Slow,
			does:  "accepted; the response is slow",
			bend:  reply.slowed,
		},
		{
			fault: Huge,
			does:  "accepted; the response is huge",
			bend:  reply.enlarged,
		},
	}
}

// surprises are responses and states that are not as documented.
func surprises() []row {
	return []row{
		{
			fault: NotQueued,
			does:  `accepted; the response has "queued": false`,
			after: func(_ *message, answer map[string]any) { answer["queued"] = false },
		},
		{
			fault: NoID,
			does:  "accepted; the response has no id",
			after: func(_ *message, answer map[string]any) { delete(answer, "id") },
		},
		{
			fault: NoConvo,
			does:  "accepted; the response has no convo_id",
			after: func(_ *message, answer map[string]any) { delete(answer, "convo_id") },
		},
		{
			fault: Compliance,
			does:  "accepted; the response has compliance_results",
			after: func(_ *message, answer map[string]any) {
				answer["compliance_results"] = map[string]any{"flagged": true}
			},
		},
		{
			fault: Foreign,
			does:  "accepted; the response names the team's first conversation",
			after: func(m *message, answer map[string]any) { answer["convo_id"] = m.team.first.id },
		},
		{
			fault: Elsewhere, // see place
			does:  "accepted; a reply lands in a new conversation with the same participants",
		},
		{
			fault: Gone,
			does:  "accepted; then its conversation is gone",
			after: func(m *message, _ map[string]any) { m.convo.gone = true },
		},
		{
			fault: Moved,
			does:  "accepted; then its conversation is in another inbox",
			after: func(m *message, _ map[string]any) { m.convo.inbox = m.team.otherInbox(m.convo.inbox) },
		},
		{
			fault: NoInbox,
			does:  "accepted; a look-up of its conversation returns no inbox",
			look:  func(answer map[string]any) { delete(answer, "inbox") },
		},
	}
}

// Faults lists the faults in the order of the table.
func Faults() []Fault {
	var faults []Fault
	for _, r := range table() {
		faults = append(faults, r.fault)
	}
	return faults
}

// Does describes f as the table does; "" if there is no such fault.
func (f Fault) Does() string {
	for _, r := range table() {
		if r.fault == f {
			return r.does
		}
	}
	return ""
}

// perform carries a call out, or not, depending on its fault.
func (s *Sandbox) perform(f Fault, do func() reply) reply {
	row := s.faults[f]
	if row.instead != nil {
		return row.instead(s)
	}
	rep := do()
	if row.bend != nil {
		rep = row.bend(rep)
	}
	if rep.huge {
		rep.body = inflate(rep.body, s.o.Huge)
	}
	return rep
}

// status is an error of the API on request.
func status(code int) func(*Sandbox) reply {
	return func(*Sandbox) reply { return errorReply(code, "fault requested") }
}

// page is a response of a third party, with one header field.
func page(code int, field, value string) func(*Sandbox) reply {
	return func(*Sandbox) reply {
		rep := htmlReply(code)
		rep.header.Set(field, value)
		return rep
	}
}

// silence is no response.
func silence(e ending) func(*Sandbox) reply {
	return func(*Sandbox) reply { return reply{header: http.Header{}, ending: e} }
}

func switching(*Sandbox) reply {
	header := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}
	return reply{status: http.StatusSwitchingProtocols, header: header, ending: open}
}

// endsWith makes a response end in another way.
func endsWith(e ending) func(reply) reply {
	return func(r reply) reply {
		r.ending = e
		return r
	}
}

func (r reply) slowed() reply {
	r.slow = true
	return r
}

func (r reply) enlarged() reply {
	r.huge = true
	return r
}

// inflate makes a JSON object or list size bytes long: an object gets one long
// field, a list is filled up with copies of its elements.
func inflate(body []byte, size int) []byte {
	body = bytes.TrimSpace(body)
	inner := body[1 : len(body)-1]
	if body[0] == '{' {
		long := `"padding":"` + strings.Repeat("x", size) + `",`
		return slices.Concat([]byte("{"+long), inner, []byte("}\n"))
	}
	if len(inner) == 0 {
		inner = []byte(`{"id":1}`)
	}
	more := append([]byte{','}, inner...)
	return slices.Concat([]byte("["), inner, bytes.Repeat(more, size/len(more)+1), []byte("]\n"))
}
