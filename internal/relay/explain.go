package relay

import (
	"context"

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

// ExplainedRequest is the body of one POST to /v1/email/send, if there is one, and the reasons
// for it. It is an opener, unless the application names a conversation.
type ExplainedRequest struct {
	*heymarket.Email                 // nil where it does not go to the API
	Decision         intake.Decision `json:"decision"`
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
	route := routes(cfg)[m.Route]
	for i, r := range m.Requests {
		if m.Smarthost {
			e.Requests = append(e.Requests, ExplainedRequest{Decision: plan.Decisions[i]})
			continue
		}
		task := &spool.Task{
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
		post := delivery.Email(task, route.Creator)
		e.Requests = append(e.Requests, ExplainedRequest{
			Email:    &post,
			Decision: plan.Decisions[i],
		})
	}
	return e
}

// Post is what a request posts to the API, or would post.
type Post struct {
	QueueID string           `json:"queue_id"`
	State   string           `json:"state"`
	Reason  string           `json:"reason,omitempty"`
	Opener  string           `json:"opener,omitempty"` // see spool.RequestDetail: its response would have the convo_id
	Post    *heymarket.Email `json:"post"`             // the body; nil if it is refused, or leaves by a smarthost
}

// Posts returns what each request of a message posts to the API, or would post. Its creator
// is that of the configuration. ErrNotFound, also where the content was removed.
func Posts(ctx context.Context, cfg *config.Config, r spool.Reader, queueID string) ([]Post, error) {
	m, err := r.Show(ctx, queueID)
	if err != nil {
		return nil, err
	}
	tasks, err := r.Sends(ctx, queueID)
	if err != nil {
		return nil, err
	}
	configured := routes(cfg)
	var all []Post
	for i, t := range tasks {
		d := m.Requests[i]
		post := Post{QueueID: queueID, State: d.State, Reason: d.Reason, Opener: d.Opener}
		_, bySmarthost := spool.SmarthostRoute(t.Team)
		if !bySmarthost && (t.HTML != "" || t.Text != "") {
			body := delivery.Email(t, configured[t.Route].Creator)
			post.Post = &body
		}
		all = append(all, post)
	}
	return all, nil
}
