package relay

import (
	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/intake"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// Explanation is what a message would become, for people.
type Explanation struct {
	Requests []ExplainedRequest `json:"requests"`
	Warnings []mimeconv.Warning `json:"warnings"`
	Refused  string             `json:"refused,omitempty"` // the SMTP reply if the message is refused
}

// ExplainedRequest is the body of one POST to /v1/email/send, and the reasons for
// it. It is an opener, unless the application names a conversation.
type ExplainedRequest struct {
	heymarket.Email
	Decision intake.Decision `json:"decision"`
}

// Explain returns what a message would become, and sends and stores nothing. The
// local_ids are random.
func Explain(cfg *config.Config, env *smtpd.Envelope, raw []byte) Explanation {
	plan := intake.Explain(cfg, env, raw)
	e := Explanation{
		Requests: []ExplainedRequest{},
		Warnings: append([]mimeconv.Warning{}, plan.Warnings...),
		Refused:  plan.Refused,
	}
	if plan.Refused != "" {
		return e
	}
	m := plan.Message
	route, _ := routes(cfg)(m.Route)
	for i, r := range m.Requests {
		task := spool.Task{
			LocalID:       r.LocalID,
			ConvoID:       r.ConvoID,
			Inbox:         m.Inbox,
			To:            r.To,
			Cc:            r.Cc,
			Title:         m.Title,
			HTML:          m.HTML,
			Text:          m.Text,
			SubjectOffset: m.SubjectOffset,
		}
		e.Requests = append(e.Requests, ExplainedRequest{
			Email:    delivery.Email(task, route.Creator),
			Decision: plan.Decisions[i],
		})
	}
	return e
}
