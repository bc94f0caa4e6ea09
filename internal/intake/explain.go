package intake

import (
	"crypto/rand"
	"fmt"

	"github.com/google/uuid"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// Explanation is what a message would become, and why.
type Explanation struct {
	Message   *spool.Message // nil where it is refused
	Decisions []Decision     // one for each request of Message
	Warnings  []mimeconv.Warning
	Refused   string // the SMTP reply, where the message is refused
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
		return Explanation{Refused: fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)}
	}
	e := Explanation{Message: plan.Message, Warnings: plan.Warned}
	for i := range plan.Message.Requests {
		e.Decisions = append(e.Decisions, plan.decision(i))
	}
	return e
}

// decision says why request i is what it is.
func (p *Plan) decision(i int) Decision {
	m := p.Message
	r := m.Requests[i]
	d := Decision{
		Route: m.Route, Team: m.Team, Priority: r.Priority.String(), Because: p.Urgency, Audience: "the visible recipients together",
		Convo: named(p.Told, r.ConvoID), Repeats: repeats(p.Told),
	}
	if p.Blind[i] {
		d.Audience = "a blind recipient alone: no To or Cc names it"
	}
	for _, c := range p.Lookups[i] {
		d.Joins = append(d.Joins, c.Field+": "+c.ID)
	}
	return d
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
