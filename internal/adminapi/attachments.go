package adminapi

import (
	"net/http"

	"heyrelay/internal/spool"
)

// Attachments is the answer of GET /attachments.
type Attachments struct {
	Attachments []Attachment `json:"attachments"` // newest first
	Older       string       `json:"older,omitempty"`
}

// Attachment is a file of a message.
type Attachment struct {
	Cursor string `json:"cursor"` // for older
	spool.Attachment
	Link string `json:"link"` // the state of its link
}

// written returns attachments with the states that their links have now.
func (s *server) written(list []spool.Attachment) []Attachment {
	now := s.Now()
	all := make([]Attachment, 0, len(list))
	for _, a := range list {
		all = append(all, Attachment{cursor(a.Number), a, a.State(now)})
	}
	return all
}

func (s *server) attachments(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r, "queue_id", "route", "limit", "older")
	f := spool.AttachmentFilter{
		QueueID: q.values.Get("queue_id"),
		Route:   q.values.Get("route"),
		Limit:   int(q.number("limit", defaultLimit, maxLimit)),
		Older:   q.number("older", 0, 0),
	}
	if len(q.values["queue_id"]) > 1 {
		q.reject("queue_id", "the parameter queue_id is given more than once", "give it once")
	}
	if q.err != nil {
		return q.err
	}
	page, err := s.Operator.Attachments(r.Context(), f)
	if err != nil {
		return err
	}
	return answer(w, Attachments{s.written(page.Attachments), cursor(page.Older)})
}

// Revoked is the answer of POST /messages/{queue_id}/revoke.
type Revoked struct {
	Revoked int `json:"revoked"` // links that it ended
}

func (s *server) revoke(w http.ResponseWriter, r *http.Request) error {
	n, err := s.Revoke(r.Context(), r.PathValue("queue_id"))
	if err != nil {
		return err
	}
	return answer(w, Revoked{n})
}
