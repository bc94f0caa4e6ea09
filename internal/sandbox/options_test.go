package sandbox_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/sandbox"
)

// TestOptedOut: a contact that has opted out is always refused, in openers and in
// replies, and the conversation may or may not be marked as blocked.
func TestOptedOut(t *testing.T) {
	for _, blocked := range []bool{false, true} {
		out := false
		s := sandbox.New(sandbox.Options{
			OptedOut: func(address string) bool { return out && strings.HasPrefix(address, "eve") },
			Modes:    sandbox.Modes{Blocked: blocked},
		})
		convo := send(t, s, opener("ann@example.com,eve@example.com", "l-1")).ConvoID
		out = true
		for _, body := range []string{opener("eve2@example.com", "l-2"), answerTo(convo, "l-3"), answerTo(convo, "l-3")} {
			status, answer := ask(s, "POST", "/v1/email/send", body)
			if status != 403 || !strings.Contains(answer, `"Denied"`) {
				t.Errorf("%s: %d %s", body, status, answer)
			}
		}
		send(t, s, opener("ann@example.com", "l-4"))
		if again := send(t, s, opener("ann@example.com,eve@example.com", "l-1")); again.ConvoID != convo {
			t.Error("the repeat of an accepted message is refused")
		}
		_, answer := ask(s, "GET", fmt.Sprintf("/v1/conversations/%d", convo), "")
		if !strings.Contains(answer, fmt.Sprintf(`"blocked":%t`, blocked)) {
			t.Errorf("blocked %t: %s", blocked, answer)
		}
		if n := s.Stats().Invalid; n != 0 {
			t.Errorf("%d of these requests count as invalid", n)
		}
	}
}

// TestFirstID: sandboxes that begin with different ids share none.
func TestFirstID(t *testing.T) {
	seen := map[string]bool{}
	for _, first := range []int64{0, 1_790_000_000_000, 1_790_000_005_000} {
		s := sandbox.New(sandbox.Options{FirstID: first})
		for range 3 {
			got := send(t, s, opener("ann@example.com", ""))
			for _, id := range []string{fmt.Sprint("message ", got.ID), fmt.Sprint("conversation ", got.ConvoID)} {
				if seen[id] {
					t.Errorf("%s is not unique", id)
				}
				seen[id] = true
			}
		}
	}
	if !seen["message 500001"] || !seen["conversation 9001"] || !seen["conversation 1790000005002"] {
		t.Error(seen)
	}
}

// TestNoInbox: look-ups of a conversation can lack the inbox, by a recipient and by
// a test.
func TestNoInbox(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	odd := send(t, s, opener("noinbox+1@example.com", "")).ConvoID
	plain := send(t, s, opener("ann@example.com", "")).ConvoID
	lookUp := func(convo int64) bool {
		_, answer := ask(s, "GET", fmt.Sprintf("/v1/conversations/%d", convo), "")
		return strings.Contains(answer, `"inbox":202`)
	}
	if lookUp(odd) || !lookUp(odd) || !lookUp(plain) {
		t.Error("noinbox+1@ does not apply to one look-up of its own conversation")
	}
	s.Inject(1, sandbox.NoInbox, nil)
	if lookUp(plain) || !lookUp(plain) {
		t.Error("Inject does not apply to one look-up")
	}
}

// TestHuge: objects and lists can be very long, and are valid JSON.
func TestHuge(t *testing.T) {
	const size = 100_000
	s := sandbox.New(sandbox.Options{Huge: size})
	s.Inject(-1, sandbox.Huge, nil)
	for path, body := range map[string]string{
		"POST /v1/email/send":   opener("ann@example.com", ""),
		"POST /v1/messages/all": `{}`,
		"GET /v1/inboxes":       "",
		"GET /v1/team":          "",
	} {
		method, path, _ := strings.Cut(path, " ")
		status, answer := ask(s, method, path, body)
		if status != 200 || len(answer) < size || !json.Valid([]byte(answer)) {
			t.Errorf("%s: %d, %d bytes", path, status, len(answer))
		}
	}
}

// TestSlowSearch: a test can make each page of a search slow.
func TestSlowSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{Slow: 10 * time.Second})
		s.Inject(-1, sandbox.Slow, func(c sandbox.Call) bool { return c.Path == "/v1/messages/all" })
		send(t, s, opener("ann@example.com", "l-1"))
		begun := time.Now()
		for range 2 {
			page(t, s, `{}`)
		}
		if took := time.Since(begun); took != 20*time.Second {
			t.Errorf("two pages took %v", took)
		}
	})
}

// TestReadOnlyCredentials: a test can make credentials valid for GET alone.
func TestReadOnlyCredentials(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	s.Inject(-1, sandbox.Unauthorized, func(c sandbox.Call) bool { return c.Method == "POST" })
	if status, _ := ask(s, "GET", "/v1/inboxes", ""); status != 200 {
		t.Errorf("GET: %d", status)
	}
	if status, _ := ask(s, "POST", "/v1/email/send", opener("ann@example.com", "")); status != 401 {
		t.Errorf("POST: %d", status)
	}
}
