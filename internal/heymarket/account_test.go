package heymarket_test

import (
	"fmt"
	"testing"

	"heyrelay/internal/heymarket"
)

func TestInboxes(t *testing.T) {
	for _, test := range []struct{ answer, want string }{
		{`[]`, "[]"},
		{
			`[{"id": 202, "name": "Support", "team": 7, "members": [55, 56], "phone": null, "phones": []}]`,
			"[{202 Support 7 [{55 } {56 }]}]",
		},
		{
			`[{"id": 202, "name": "Support", "team": {"id": 7},
				"members": [{"id": 55, "name": "Ada"}, 56, {"name": "x"}, "57", null]}]`,
			"[{202 Support 7 [{55 Ada} {56 }]}]",
		},
		{`[{"id": 202}, {"id": 203, "members": null}]`, "[{202  0 []} {203  0 []}]"},
	} {
		got, err := client(t, says200(test.answer)).Inboxes(t.Context())
		if err != nil || fmt.Sprint(got) != test.want {
			t.Errorf("%s: %v, %v; not %s", test.answer, got, err, test.want)
		}
	}
	for _, odd := range []string{`{"inboxes": []}`, `[{"id": "202"}]`, `[202]`, `<p>`, ``} {
		_, err := client(t, says200(odd)).Inboxes(t.Context())
		if e := failure(t, err); e.Class != heymarket.Again || e.Status != 200 {
			t.Errorf("%s: %+v", odd, e)
		}
	}
}

func TestTeam(t *testing.T) {
	answer := `{"id": 7, "name": "Shop", "list_size": 9, "members": [{"id": 55, "name": "Ada", "role": "admin"}]}`
	got, err := client(t, says200(answer)).Team(t.Context())
	if err != nil || fmt.Sprint(got) != "{7 Shop [{55 Ada}]}" {
		t.Error(got, err)
	}
	_, err = client(t, says200(`[]`)).Team(t.Context())
	failure(t, err)
}

func TestConversation(t *testing.T) {
	for _, inbox := range []string{"202", `{"id": 202, "name": "Support"}`} {
		answer := `{"id": 20, "inbox": ` + inbox + `, "channel": "email", "status": "open",
			"target": "ann@example.com", "blocked": true, "members": [{}]}`
		got, err := client(t, says200(answer)).Conversation(t.Context(), 20)
		want := heymarket.Conversation{
			ID:      20,
			Inbox:   202,
			Channel: "email",
			Status:  "open",
			Target:  "ann@example.com",
			Blocked: true,
		}
		if err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	_, err := client(t, says("HTTP/1.1 404 Not Found\r\n\r\n{\"error\": \"gone\"}")).Conversation(t.Context(), 20)
	if e := failure(t, err); e.Class != heymarket.NotFound {
		t.Errorf("%+v", e)
	}
	_, err = client(t, says("HTTP/1.1 404 Not Found\r\n\r\n<p>No such page</p>")).Conversation(t.Context(), 20)
	if e := failure(t, err); e.Class != heymarket.Again {
		t.Errorf("a page that is not the API's: %+v", e)
	}
}

// TestConversationWithoutInbox: a response that does not name its inbox, or is
// about another conversation, is no proof of a transfer.
func TestConversationWithoutInbox(t *testing.T) {
	for _, answer := range []string{
		`{"id": 20, "channel": "email", "status": "open"}`,
		`{"id": 20, "inbox": null, "channel": "email"}`,
		`{"id": 20, "inbox": "202", "channel": "email"}`,
		`{"id": 20, "inbox": {"name": "Support"}, "channel": "email"}`,
		`{"id": 20, "inbox": 0, "channel": "email"}`,
		`{"id": 21, "inbox": 203, "channel": "email"}`,
	} {
		got, err := client(t, says200(answer)).Conversation(t.Context(), 20)
		if err == nil {
			t.Errorf("%s: %+v, no error", answer, got)
			continue
		}
		if e := failure(t, err); e.Class != heymarket.Again || e.Status != 200 {
			t.Errorf("%s: %+v", answer, e)
		}
	}
}
