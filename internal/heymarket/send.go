package heymarket

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
)

// Send posts e (POST /v1/email/send). An error is always an [*Error]; where it
// says Unknown, the message may have been sent, and only the same LocalID makes
// it safe to try again.
func (c *Client) Send(ctx context.Context, e Email) (Sent, error) {
	body, err := encode(e)
	if err != nil {
		return Sent{}, err
	}
	ans, err := c.do(ctx, call{http.MethodPost, "/v1/email/send", body, maxAnswer})
	if err != nil {
		return Sent{}, err
	}
	return ans.sent()
}

// sent reads the answer to an e-mail. Without an integer id it proves nothing: a
// captive portal answers 200 too.
func (a answer) sent() (Sent, error) {
	o, ok := parseObject(a.body)
	if !ok {
		return Sent{}, a.odd("not a JSON object: "+a.shown(), nil)
	}
	id, ok := o.id("id")
	if !ok {
		return Sent{}, a.odd("no integer id in: "+a.shown(), nil)
	}
	convoID, ok := o.id("convo_id")
	if !ok {
		convoID = 0
	}
	return Sent{
		Status:     a.status,
		ID:         id,
		ConvoID:    convoID,
		Queued:     string(o["queued"]) != "false",
		Date:       o.text("date"),
		Compliance: o.filled("compliance_results"),
		RequestID:  a.requestID,
	}, nil
}

// filled returns a value as compact JSON, "" where there is nothing in it.
func (o object) filled(key string) string {
	var b bytes.Buffer
	if json.Compact(&b, o[key]) != nil {
		return ""
	}
	switch s := b.String(); s {
	case "null", "{}", "[]", `""`:
		return ""
	default:
		return s
	}
}

// encode returns v as JSON. Markup stays as it is: escaping <, > and & would
// swell HTML to nearly twice its size.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, &Error{Class: Invalid, Reason: oneLine(err.Error()), Err: err}
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
