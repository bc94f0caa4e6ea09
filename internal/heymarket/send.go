package heymarket

import (
	"context"
	"net/http"
)

// Send posts e (POST /v1/email/send). An error is always an [*Error]. If it is
// Unknown, the message may have been sent, and only the same LocalID makes it safe
// to try again.
func (c *Client) Send(ctx context.Context, e Email) (Sent, error) {
	body, err := newBody(e)
	if err != nil {
		return Sent{}, err
	}
	defer body.release()
	resp, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/email/send", body: body})
	if err != nil {
		return Sent{}, err
	}
	return resp.sent()
}

// Body returns e as JSON, as Send posts it. An error is an [*Error].
func (e Email) Body() ([]byte, error) {
	var b body
	err := b.encode(e)
	return b.Bytes(), err
}

// sent reads the response to an e-mail. Without an integer id it proves nothing:
// a captive portal returns 200 too.
func (r response) sent() (Sent, error) {
	o, ok := parseObject(r.body)
	if !ok {
		return Sent{}, r.odd("not a JSON object: "+r.shown(), nil)
	}
	id, ok := o.id("id")
	if !ok {
		return Sent{}, r.odd("no integer id in: "+r.shown(), nil)
	}
	convoID, ok := o.id("convo_id")
	if !ok {
		convoID = 0
	}
	return Sent{
		Status:     r.status,
		ID:         id,
		ConvoID:    convoID,
		Queued:     string(o["queued"]) != "false",
		Date:       r.redact(oneLine(o.text("date"))),
		Compliance: r.redact(oneLine(o.filled("compliance_results"))),
		RequestID:  r.requestID,
	}, nil
}
