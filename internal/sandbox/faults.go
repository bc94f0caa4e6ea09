package sandbox

import "net/http"

// Fault is one way to go wrong. Its text is the local part that calls it.
type Fault string

// The faults. The package documentation has the table.
const (
	TempError    Fault = "temperror"
	PermError    Fault = "permerror"
	Unauthorized Fault = "unauthorized"
	Denied       Fault = "denied"
	Timeout      Fault = "timeout"
	Conflict     Fault = "conflict"
	TooLarge     Fault = "toolarge"
	Unprocessed  Fault = "unprocessed"
	TooEarly     Fault = "tooearly"
	Teapot       Fault = "teapot"
	Throttle     Fault = "throttle"
	Unavailable  Fault = "unavailable"
	Redirect     Fault = "redirect"
	HTML200      Fault = "html200"
	HTML403      Fault = "html403"
	Refused      Fault = "refused"
	DropBefore   Fault = "dropbefore"
	DropAfter    Fault = "dropafter"
	HalfAnswer   Fault = "halfanswer"
	LateError    Fault = "lateerror"
	Slow         Fault = "slow"
	NotQueued    Fault = "notqueued"
	NoID         Fault = "noid"
	NoConvo      Fault = "noconvo"
	Compliance   Fault = "compliance"
	Foreign      Fault = "foreign"
	Elsewhere    Fault = "elsewhere"
	Gone         Fault = "gone"
	Moved        Fault = "moved"
)

// row is a fault in the table.
type row struct {
	fault   Fault
	does    string
	instead func(*Sandbox) reply                    // answers in place of the call, which is not carried out
	bend    func(reply) reply                       // changes the answer to a call that was carried out
	befall  func(m *message, answer map[string]any) // happens to a message that was accepted, and to what is told of it
}

// table lists the faults, as the package documentation does.
func table() []row {
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
		{fault: Teapot, does: "418, which nobody expects", instead: status(418)},
		{fault: Throttle, does: "429, with Options.RetryAfter", instead: (*Sandbox).throttled},
		{fault: Unavailable, does: "503 with a page of HTML and a Retry-After of 1 s", instead: page(503, "Retry-After", "1")},
		{fault: Redirect, does: "302 to another host", instead: page(302, "Location", "https://portal.example/")},
		{fault: HTML200, does: "200 with a page of HTML, as from a captive portal", instead: page(200, "Server", "portal")},
		{fault: HTML403, does: "403 with a page of HTML, as from a firewall", instead: page(403, "Server", "firewall")},
		{fault: Refused, does: "the connection is refused; a Handler can only cut it", instead: silence(refused)},
		{fault: DropBefore, does: "the connection is cut", instead: silence(cut)},

		{fault: DropAfter, does: "accepted; then the connection is cut",
			bend: func(r reply) reply { r.ending = cut; return r }},
		{fault: HalfAnswer, does: "accepted; the answer breaks off in the middle",
			bend: func(r reply) reply { r.ending = half; return r }},
		{fault: LateError, does: "accepted; 500",
			bend: func(reply) reply { return errorReply(http.StatusInternalServerError, "after the message was accepted") }},
		{fault: Slow, does: "accepted; the answer comes after Options.Slow",
			bend: func(r reply) reply { r.slow = true; return r }},

		{fault: NotQueued, does: `accepted; the answer says "queued": false`,
			befall: func(_ *message, answer map[string]any) { answer["queued"] = false }},
		{fault: NoID, does: "accepted; the answer has no id",
			befall: func(_ *message, answer map[string]any) { delete(answer, "id") }},
		{fault: NoConvo, does: "accepted; the answer has no convo_id",
			befall: func(_ *message, answer map[string]any) { delete(answer, "convo_id") }},
		{fault: Compliance, does: "accepted; the answer has compliance_results",
			befall: func(_ *message, answer map[string]any) {
				answer["compliance_results"] = map[string]any{"flagged": true}
			}},
		{fault: Foreign, does: "accepted; the answer names the team's first conversation",
			befall: func(m *message, answer map[string]any) { answer["convo_id"] = m.team.first.id }},
		{fault: Elsewhere, does: "accepted; a reply lands in a new conversation with the same participants"}, // see place
		{fault: Gone, does: "accepted; then its conversation is gone",
			befall: func(m *message, _ map[string]any) { m.convo.gone = true }},
		{fault: Moved, does: "accepted; then its conversation is in another inbox",
			befall: func(m *message, _ map[string]any) { m.convo.inbox = m.team.otherInbox(m.convo.inbox) }},
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

// Does says what f does, in the words of the table; "" if there is no such fault.
func (f Fault) Does() string {
	for _, r := range table() {
		if r.fault == f {
			return r.does
		}
	}
	return ""
}

// carry carries a call out, or not, as its fault wants it.
func (s *Sandbox) carry(f Fault, do func() reply) reply {
	row := s.faults[f]
	if row.instead != nil {
		return row.instead(s)
	}
	rep := do()
	if row.bend != nil {
		rep = row.bend(rep)
	}
	return rep
}

// status is an error of the API for no reason.
func status(code int) func(*Sandbox) reply {
	return func(*Sandbox) reply { return errorReply(code, "because it was asked for") }
}

// page is an answer that somebody on the way gives, with one header field.
func page(code int, field, value string) func(*Sandbox) reply {
	return func(*Sandbox) reply {
		rep := htmlReply(code)
		rep.header.Set(field, value)
		return rep
	}
}

// silence is no answer.
func silence(e ending) func(*Sandbox) reply {
	return func(*Sandbox) reply { return reply{header: http.Header{}, ending: e} }
}
