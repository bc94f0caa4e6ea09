package gateway

import (
	"crypto/rand"
	"fmt"

	"github.com/google/uuid"

	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// Explanation is what a message would become, for people.
type Explanation struct {
	Requests []ExplainedRequest `json:"requests"`
	Warnings []mimeconv.Warning `json:"warnings"`
	Refused  string             `json:"refused,omitempty"` // the SMTP reply, where the message is refused
}

// ExplainedRequest is the body of one POST to /v1/email/send, as an opener unless
// its application names a conversation, and why it is what it is.
type ExplainedRequest struct {
	heymarket.Email
	Decision Decision `json:"decision"`
}

// Decision says why a request is what it is.
type Decision struct {
	Route    string   `json:"route"`
	Team     string   `json:"team"`
	Priority string   `json:"priority"`
	Because  string   `json:"because"`           // what decided the priority
	Audience string   `json:"audience"`          // who sees whom
	Convo    string   `json:"convo,omitempty"`   // what becomes of the conversation that its application named, or wants anew
	Repeats  string   `json:"repeats,omitempty"` // what else is the same message, where its application says so
	Joins    []string `json:"joins,omitempty"`   // it replies instead where one of these is known for exactly these recipients, best first
}

// Explain says what the message would become, and sends and stores nothing. The
// local_ids that it shows are made up.
func Explain(cfg *config.Config, env *smtpd.Envelope, raw []byte) Explanation {
	p := planner{cfg: cfg, localID: func() string { return uuid.Must(uuid.NewRandomFromReader(rand.Reader)).String() }}
	plan, err := p.plan(env, raw)
	if err != nil {
		r := refuse(env.QueueID, err)
		return Explanation{Requests: []ExplainedRequest{}, Warnings: []mimeconv.Warning{}, Refused: fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)}
	}
	m := plan.Message
	route, _ := routes(cfg)(m.Route)
	e := Explanation{Warnings: append([]mimeconv.Warning{}, plan.Warned...)}
	for i, r := range m.Requests {
		x := ExplainedRequest{Decision: Decision{Route: m.Route, Team: m.Team, Priority: r.Priority.String(), Because: plan.Urgency, Audience: "the visible recipients together"}}
		if plan.Blind[i] {
			x.Decision.Audience = "a blind recipient alone: no To or Cc names it"
		}
		x.Decision.Convo, x.Decision.Repeats = named(plan.Told, r.ConvoID), repeats(plan.Told)
		for _, c := range plan.Clues[i] {
			x.Decision.Joins = append(x.Decision.Joins, c.Field+": "+c.ID)
		}
		x.Email = delivery.Email(spool.Task{
			LocalID: r.LocalID, ConvoID: r.ConvoID, Inbox: m.Inbox, To: r.To, Cc: r.Cc, Title: m.Title, HTML: m.HTML, Text: m.Text, SubjectOffset: m.SubjectOffset,
		}, route.Creator)
		e.Requests = append(e.Requests, x)
	}
	return e
}

// named says what becomes of the conversation that the application named.
func named(t told, convoID int64) string {
	switch {
	case convoID != 0:
		return fmt.Sprintf("%sConvo-Id: replies to %d; refused where that is known for other participants or another inbox, asked for first where it is not known", control, convoID)
	case t.anew:
		return control + "New-Conversation: opens one, whatever it cites"
	}
	return ""
}

// repeats says what a repeat of the message is, where its application gave a key.
func repeats(t told) string {
	if t.key == "" {
		return ""
	}
	return control + "Idempotency-Key: the same recipients, title and bodies under it are the same message, others are refused"
}
