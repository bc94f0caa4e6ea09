package intake

import (
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"heyrelay/internal/blob"
	"heyrelay/internal/config"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// Explanation is what a message would become, and why.
type Explanation struct {
	Message   *spool.Message // nil if it is refused
	Decisions []Decision     // one for each request of Message
	Warnings  []mimeconv.Warning
	Refused   string // the SMTP reply if it is refused, else ""
}

// Decision explains one request.
type Decision struct {
	Route    string   `json:"route"`
	Team     string   `json:"team"`
	Priority string   `json:"priority"`
	Because  string   `json:"because"`           // what decided the priority
	Audience string   `json:"audience"`          // who sees whom
	Leaves   string   `json:"leaves,omitempty"`  // how, where it does not go to the API
	Convo    string   `json:"convo,omitempty"`   // effect of the control headers on its conversation
	Repeats  string   `json:"repeats,omitempty"` // effect of the control headers on duplicates
	Joins    []string `json:"joins,omitempty"`   // it is a reply if these recipients have one of these, best first
}

// Explain returns what a message would become, and sends and stores nothing. The
// local_ids are random, and the links look like real ones, but lead to nothing.
func Explain(cfg *config.Config, env *smtpd.Envelope, raw []byte) Explanation {
	newLocalID := func() string { return uuid.Must(uuid.NewRandomFromReader(rand.Reader)).String() }
	var files *Files
	if cfg.Blobs.URL != "" {
		files = &Files{Links: blob.NewLinks([]byte(rand.Text()), cfg.Blobs.PublicURL), Random: rand.Reader}
	}
	plan, err := newPlanner(cfg, newLocalID, files).plan(env, raw)
	if err != nil {
		r := refusal(env.QueueID, err)
		return Explanation{Refused: fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)}
	}
	e := Explanation{Message: plan.Message, Warnings: plan.Warnings}
	for i := range plan.Message.Requests {
		e.Decisions = append(e.Decisions, plan.decision(i))
	}
	return e
}

// decision explains request i.
func (p *Plan) decision(i int) Decision {
	m := p.Message
	d := Decision{
		Route:    m.Route,
		Team:     m.Team,
		Priority: m.Requests[i].Priority.String(),
		Because:  p.PriorityReason,
		Audience: "all visible recipients",
		Convo:    explainConversation(p.control, m.Requests[i].ConvoID),
		Repeats:  explainKey(p.control),
	}
	if p.Blind[i] {
		d.Audience = "one blind recipient, in neither To nor Cc"
	}
	if m.Smarthost {
		d.Leaves = fmt.Sprintf("unchanged, to %s, by the smarthost of the route: the API does not support its attachments",
			slices.Concat(m.Requests[i].To, m.Requests[i].Cc)[0])
	}
	for _, l := range p.Lookups[i] {
		d.Joins = append(d.Joins, l.Field+": "+l.ID)
	}
	return d
}

func explainConversation(c controlHeaders, convoID int64) string {
	switch {
	case convoID != 0:
		return fmt.Sprintf("%sConvo-Id: replies to %d; refused if it is known with other participants or of another "+
			"inbox, checked first if it is unknown", controlPrefix, convoID)
	case c.newConversation:
		return controlPrefix + "New-Conversation: opens a conversation, regardless of In-Reply-To and References"
	}
	return ""
}

func explainKey(c controlHeaders) string {
	if c.key == "" {
		return ""
	}
	return controlPrefix + "Idempotency-Key: a message with the same key is a duplicate if recipients, title and " +
		"bodies are the same, and refused otherwise"
}
