package heymarket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Inbox is an inbox of the team. The API does not return its e-mail address.
type Inbox struct {
	ID      int64
	Name    string
	Team    int64
	Members []Member // who may be the creator of its messages
}

// Team is the team that the credentials belong to.
type Team struct {
	ID      int64
	Name    string
	Members []Member
}

// Member is a user who may send. Name is "" if the response lists only ids.
type Member struct {
	ID   int64
	Name string
}

// Conversation is the state of a conversation. The API does not return the
// participants of an e-mail conversation.
type Conversation struct {
	ID        int64
	Inbox     int64  // where it is now; it can be transferred
	Channel   string // "" if the response has none
	Status    string // open or closed
	Target    string
	Blocked   bool
	RequestID string // X-Request-Id
}

// Inboxes lists the inboxes of the team (GET /v1/inboxes). It is the documented
// way to check whether credentials work.
func (c *Client) Inboxes(ctx context.Context) ([]Inbox, error) {
	var inboxes []Inbox
	element := func(o object) error {
		id, ok := o.id("id")
		if !ok {
			return errors.New("an inbox without an integer id")
		}
		inbox := Inbox{ID: id, Name: o.text("name"), Team: o.ref("team"), Members: o.members("members")}
		inboxes = append(inboxes, inbox)
		return nil
	}
	resp, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/inboxes", element: element})
	if err != nil {
		return nil, err
	}
	if resp.cut {
		return nil, resp.odd(fmt.Sprintf("the list of inboxes is longer than %d bytes", maxList), nil)
	}
	return inboxes, nil
}

// Team returns the team and the names of its members (GET /v1/team).
func (c *Client) Team(ctx context.Context) (Team, error) {
	o, _, err := c.get(ctx, "/v1/team")
	if err != nil {
		return Team{}, err
	}
	id, _ := o.id("id")
	return Team{ID: id, Name: o.text("name"), Members: o.members("members")}, nil
}

// Conversation looks a conversation up (GET /v1/conversations/{id}). If it no
// longer exists, the error is of class NotFound. A response that does not name
// its inbox is an error of class Again: it must not pass for a transfer.
func (c *Client) Conversation(ctx context.Context, id int64) (Conversation, error) {
	o, resp, err := c.get(ctx, fmt.Sprintf("/v1/conversations/%d", id))
	if err != nil {
		return Conversation{}, err
	}
	inbox := o.ref("inbox")
	got, _ := o.id("id")
	switch {
	case got != id:
		return Conversation{}, resp.odd(fmt.Sprintf("it describes conversation %d", got), nil)
	case inbox == 0:
		return Conversation{}, resp.odd("no inbox in: "+resp.shown(), nil)
	}
	return Conversation{
		ID:        id,
		Inbox:     inbox,
		Channel:   resp.redact(oneLine(o.text("channel"))),
		Status:    resp.redact(oneLine(o.text("status"))),
		Target:    resp.redact(oneLine(o.text("target"))),
		Blocked:   string(o["blocked"]) == "true",
		RequestID: resp.requestID,
	}, nil
}

// get requests one object that has an id.
func (c *Client) get(ctx context.Context, path string) (object, response, error) {
	resp, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return nil, resp, err
	}
	o, _ := parseObject(resp.body)
	if _, ok := o.id("id"); !ok {
		return nil, resp, resp.odd("no object with an integer id: "+resp.shown(), nil)
	}
	return o, resp, nil
}

// members reads a list of ids or of objects with an id; the documentation shows
// both. Other elements are ignored.
func (o object) members(key string) []Member {
	var list []json.RawMessage
	if json.Unmarshal(o[key], &list) != nil {
		return nil
	}
	var members []Member
	for _, raw := range list {
		if id, ok := parseID(raw); ok {
			members = append(members, Member{ID: id})
		} else if m, ok := parseObject(raw); ok {
			if id, ok := m.id("id"); ok {
				members = append(members, Member{ID: id, Name: m.text("name")})
			}
		}
	}
	return members
}
