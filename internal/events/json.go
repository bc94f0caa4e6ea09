package events

import (
	"encoding/json"
	"time"
)

// MarshalJSON returns the payload of a webhook call: type, timestamp and data, as
// the Standard Webhooks specification recommends. The field names are those of the
// log and will not change; zero fields are omitted. Title, Err and Steps are never
// included: the title is confidential between sender and recipients, Err is only
// for the log, Steps are for traces; nor are Enhanced, which is for metrics, and Report,
// which is for who delivers it.
func (e Event) MarshalJSON() ([]byte, error) {
	type data struct {
		QueueID  string    `json:"queue_id,omitempty"`
		Code     string    `json:"code,omitempty"`
		Reason   string    `json:"reason,omitempty"`
		Client   string    `json:"client,omitempty"`
		User     string    `json:"user,omitempty"`
		From     string    `json:"from,omitempty"`
		To       []string  `json:"to,omitempty"`
		Route    string    `json:"route,omitempty"`
		Team     string    `json:"team,omitempty"`
		Operator bool      `json:"operator,omitempty"`
		Address  string    `json:"address,omitempty"`
		LocalID  string    `json:"local_id,omitempty"`
		Convo    int64     `json:"convo_id,omitempty"`
		Message  int64     `json:"message_id,omitempty"`
		Attempt  int       `json:"attempt,omitempty"`
		Status   int       `json:"status,omitempty"`
		APIID    string    `json:"request_id,omitempty"`
		Size     int       `json:"size_bytes,omitempty"`
		Pending  int       `json:"pending,omitempty"`
		Since    time.Time `json:"since,omitzero"`
		Duration int64     `json:"duration_ms,omitempty"`
		Due      time.Time `json:"due,omitzero"`
	}
	return json.Marshal(struct {
		Type      Kind      `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      data      `json:"data"`
	}{e.Kind, e.Time.UTC(), data{
		QueueID:  e.QueueID,
		Code:     e.Code,
		Reason:   e.Reason,
		Client:   e.Client,
		User:     e.User,
		From:     e.Sender,
		To:       e.To,
		Route:    e.Route,
		Team:     e.Team,
		Operator: e.Operator,
		Address:  e.Address,
		LocalID:  e.LocalID,
		Convo:    e.Convo,
		Message:  e.Message,
		Attempt:  e.Attempt,
		Status:   e.Status,
		APIID:    e.APIID,
		Size:     e.Size,
		Pending:  e.Pending,
		Since:    e.Since.UTC(),
		Duration: e.Duration.Milliseconds(),
		Due:      e.Due.UTC(),
	}})
}
