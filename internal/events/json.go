package events

import (
	"encoding/json"
	"time"
)

// MarshalJSON writes an Event as webhooks have it: type, timestamp and data, as
// the Standard Webhooks specification recommends. The names are those of the log
// and stay as they are; what is zero is left out. Neither the title nor the cause
// is in it: the one is nobody's business but the recipients', the other is for the
// log alone.
func (e Event) MarshalJSON() ([]byte, error) {
	type data struct {
		QueueID string    `json:"queue_id,omitempty"`
		Reason  string    `json:"reason,omitempty"`
		Client  string    `json:"client,omitempty"`
		From    string    `json:"from,omitempty"`
		To      []string  `json:"to,omitempty"`
		Route   string    `json:"route,omitempty"`
		Team    string    `json:"team,omitempty"`
		LocalID string    `json:"local_id,omitempty"`
		Convo   int64     `json:"convo_id,omitempty"`
		Message int64     `json:"message_id,omitempty"`
		Attempt int       `json:"attempt,omitempty"`
		Status  int       `json:"status,omitempty"`
		APIID   string    `json:"request_id,omitempty"`
		Bytes   int       `json:"bytes,omitempty"`
		Waiting int       `json:"waiting,omitempty"`
		Since   time.Time `json:"since,omitzero"`
		Took    float64   `json:"took,omitempty"` // seconds
		Due     time.Time `json:"due,omitzero"`
	}
	return json.Marshal(struct {
		Type      Kind      `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      data      `json:"data"`
	}{e.Kind, e.Time.UTC(), data{
		QueueID: e.QueueID, Reason: e.Reason, Client: e.Client, From: e.Sender, To: e.To, Route: e.Route, Team: e.Team,
		LocalID: e.LocalID, Convo: e.Convo, Message: e.Message, Attempt: e.Attempt, Status: e.Status, APIID: e.APIID, Bytes: e.Size,
		Waiting: e.Waiting, Since: e.Since.UTC(), Took: e.Took.Seconds(), Due: e.Due.UTC(),
	}})
}
