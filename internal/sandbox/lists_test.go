package sandbox_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"heyrelay/internal/sandbox"
)

func TestInboxes(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	_, body := ask(s, "GET", "/v1/inboxes", "")
	if !sameJSON(t, body, `[
		{"id": 202, "name": "Support", "team": 7, "members": [55, 56], "phone": "", "phones": []},
		{"id": 203, "name": "Billing", "team": 7, "members": [55], "phone": "", "phones": []}]`) {
		t.Error(body)
	}
	s = sandbox.New(sandbox.Options{Modes: sandbox.Modes{MemberObjects: true}})
	_, body = ask(s, "GET", "/v1/inboxes", "")
	var list []struct{ Members []struct{ Name string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil || list[0].Members[1].Name != "Grace" {
		t.Error(body, err)
	}
}

func TestTeam(t *testing.T) {
	_, body := ask(sandbox.New(sandbox.Options{}), "GET", "/v1/team", "")
	if !sameJSON(t, body, `{"id": 7, "name": "Demo", "members": [
		{"id": 55, "name": "Ada", "role": "member"}, {"id": 56, "name": "Grace", "role": "member"}]}`) {
		t.Error(body)
	}
}

func TestConversation(t *testing.T) {
	s := sandbox.New(sandbox.Options{Teams: []sandbox.Team{sandbox.DemoTeam(), otherTeam()}})
	convo := send(t, s, opener("ann@example.com,bob@example.com", "")).ConvoID
	path := fmt.Sprintf("/v1/conversations/%d", convo)
	_, body := ask(s, "GET", path, "")
	if !sameJSON(t, body, fmt.Sprintf(`{"id": %d, "inbox": 202, "channel": "email", "status": "open", "name": "",
		"target": "ann@example.com", "blocked": false, "members": []}`, convo)) {
		t.Error(body)
	}
	if status, _, _ := request(s, "GET", path, "", "Authorization: Bearer other-key"); status != 404 {
		t.Errorf("another team sees it: %d", status)
	}
	for _, path := range []string{"/v1/conversations/1", "/v1/conversations/x", "/v1/conversations/"} {
		if status, _ := ask(s, "GET", path, ""); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// page asks for messages and returns their local_ids.
func page(t *testing.T, s *sandbox.Sandbox, body string) []string {
	t.Helper()
	status, answer := ask(s, "POST", "/v1/messages/all", body)
	var list []struct {
		LocalID string `json:"local_id"`
	}
	if err := json.Unmarshal([]byte(answer), &list); status != 200 || err != nil {
		t.Fatal(status, answer, err)
	}
	ids := []string{}
	for _, m := range list {
		ids = append(ids, m.LocalID)
	}
	return ids
}

func TestMessagesAll(t *testing.T) {
	at := clock{start}
	s := sandbox.New(sandbox.Options{Now: at.now})
	for i := range 120 {
		at.t = start.Add(time.Duration(i) * time.Second)
		send(t, s, opener("ann@example.com", fmt.Sprint(i)))
	}
	cursor := `"` + start.Add(3*time.Second).Format(time.RFC3339) + `"`
	for _, test := range []struct {
		body  string
		first string
		n     int
	}{
		{`{}`, "119", 30},
		{`{"limit": 2}`, "119", 2},
		{`{"limit": 1000}`, "119", 100},
		{`{"created_at": ` + cursor + `}`, "2", 3},
		{`{"date": ` + cursor + `}`, "119", 30},
	} {
		if got := page(t, s, test.body); len(got) != test.n || got[0] != test.first {
			t.Errorf("%s: %d, from %s", test.body, len(got), got[0])
		}
	}
	if got := page(t, s, `{"created_at": "2020-01-01T00:00:00Z"}`); len(got) != 0 {
		t.Error("before everything:", got)
	}
	invalid := []string{`{"created_at": 5}`, `{"created_at": "yesterday"}`, `{"cursor": "x"}`, `{"limit": 0}`, ``}
	for _, body := range invalid {
		if status, answer := ask(s, "POST", "/v1/messages/all", body); status != 400 {
			t.Errorf("%q: %d %s", body, status, answer)
		}
	}
}

func TestMessagesAllModes(t *testing.T) {
	at := clock{start}
	s := sandbox.New(sandbox.Options{Now: at.now, Modes: sandbox.Modes{ListLag: time.Minute, DateCursor: true}})
	send(t, s, opener("ann@example.com", "l-1"))
	at.t = start.Add(59 * time.Second)
	if got := page(t, s, `{}`); len(got) != 0 {
		t.Error("listed too soon:", got)
	}
	at.t = start.Add(time.Minute)
	cursor := start.Format(time.RFC3339)
	if got := page(t, s, `{"created_at": "`+cursor+`"}`); !slices.Equal(got, []string{"l-1"}) {
		t.Error("created_at was used, or the message is not listed:", got)
	}
	if got := page(t, s, `{"date": "`+cursor+`"}`); len(got) != 0 {
		t.Error("date was not used:", got)
	}
}

func TestMessagesAllOfOtherTeams(t *testing.T) {
	s := sandbox.New(sandbox.Options{Teams: []sandbox.Team{sandbox.DemoTeam(), otherTeam()}})
	send(t, s, opener("ann@example.com", "l-1"))
	if _, _, body := request(s, "POST", "/v1/messages/all", `{}`, "Authorization: Bearer other-key"); body != "[]" {
		t.Error(body)
	}
}
