package heymarket

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Inbox is what the API tells about an inbox. It does not tell its address.
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

// Member is somebody who may send. Some answers give ids alone: Name is then "".
type Member struct {
	ID   int64
	Name string
}

// Conversation is what the API tells about a conversation. It lists no
// participants of an e-mail.
type Conversation struct {
	ID        int64
	Inbox     int64 // where it is now; it can be transferred
	Channel   string
	Status    string // open or closed
	Target    string
	Blocked   bool
	RequestID string // X-Request-Id
}

// Inboxes lists the inboxes of the team (GET /v1/inboxes). It is the documented
// way to find out whether credentials work.
func (c *Client) Inboxes(ctx context.Context) ([]Inbox, error) {
	ans, err := c.do(ctx, call{http.MethodGet, "/v1/inboxes", nil, maxList})
	if err != nil {
		return nil, err
	}
	var list []object
	if err := json.Unmarshal(ans.body, &list); err != nil {
		return nil, ans.odd("not a list of inboxes: "+oneLine(err.Error()), err)
	}
	inboxes := make([]Inbox, 0, len(list))
	for _, o := range list {
		id, ok := o.id("id")
		if !ok {
			return nil, ans.odd("an inbox without an integer id", nil)
		}
		inboxes = append(inboxes, Inbox{ID: id, Name: o.text("name"), Team: o.ref("team"), Members: o.members("members")})
	}
	return inboxes, nil
}

// Team returns the team and the names of its members (GET /v1/team).
func (c *Client) Team(ctx context.Context) (Team, error) {
	o, id, _, err := c.get(ctx, "/v1/team")
	if err != nil {
		return Team{}, err
	}
	return Team{ID: id, Name: o.text("name"), Members: o.members("members")}, nil
}

// Conversation looks a conversation up (GET /v1/conversations/{id}). One that is
// gone is an error of class NotFound.
func (c *Client) Conversation(ctx context.Context, id int64) (Conversation, error) {
	o, id, ans, err := c.get(ctx, fmt.Sprintf("/v1/conversations/%d", id))
	if err != nil {
		return Conversation{}, err
	}
	return Conversation{
		ID:        id,
		Inbox:     o.ref("inbox"),
		Channel:   o.text("channel"),
		Status:    o.text("status"),
		Target:    o.text("target"),
		Blocked:   string(o["blocked"]) == "true",
		RequestID: ans.requestID,
	}, nil
}

// get asks for one object that has an id.
func (c *Client) get(ctx context.Context, path string) (object, int64, answer, error) {
	ans, err := c.do(ctx, call{http.MethodGet, path, nil, maxAnswer})
	if err != nil {
		return nil, 0, ans, err
	}
	o, _ := parseObject(ans.body)
	id, ok := o.id("id")
	if !ok {
		return nil, 0, ans, ans.odd("no object with an integer id: "+ans.shown(), nil)
	}
	return o, id, ans, nil
}

// members reads a list of ids or of objects with an id; the copies of the
// documentation have both. What is neither is left out.
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
