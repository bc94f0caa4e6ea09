package heymarket_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/heymarket"
)

// TestUnreadFailures: a failure whose body breaks off, or is too long to be read, is what its status says, and asks
// for the pause that its header says. A refusal of the message takes a whole body.
func TestUnreadFailures(t *testing.T) {
	for _, c := range []struct {
		status  int
		class   heymarket.Class
		unknown bool
	}{
		{302, heymarket.Redirect, false},
		{400, heymarket.Again, true},
		{401, heymarket.Denied, false},
		{403, heymarket.Again, true},
		{404, heymarket.Again, true},
		{409, heymarket.Conflict, false},
		{429, heymarket.Again, true},
		{503, heymarket.Again, true},
	} {
		for _, b := range []struct{ name, length, body, reason string }{
			{"broken off", "Content-Length: 900\r\n", `{"error": "no"}`, "was interrupted"},
			{"too long", "", `{"error": "` + strings.Repeat("x", 2<<20) + `"}`, "longer than 1048576 bytes"},
		} {
			message := fmt.Sprintf("HTTP/1.1 %d No\r\nRetry-After: 7\r\n%s\r\n%s", c.status, b.length, b.body)
			_, err := client(t, says(message)).Send(t.Context(), opener("l-1", "to:ann@example.com"))
			e := failure(t, err)
			if e.Status != c.status || e.Class != c.class || e.Unknown != c.unknown || e.RetryAfter != 7*time.Second {
				t.Errorf("%d, %s: %+v", c.status, b.name, e)
			}
			if !strings.Contains(e.Reason, b.reason) {
				t.Errorf("%d, %s: the reason is %q", c.status, b.name, e.Reason)
			}
		}
	}
}

// TestSuccessIsBounded: what a response of success says is shortened, and repeats no token.
func TestSuccessIsBounded(t *testing.T) {
	long := strings.Repeat("x", 1000)
	echo := carrier(func(r *http.Request) (*http.Response, error) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		body := fmt.Sprintf(`{"id": 7, "inbox": 202, "date": %q, "channel": %q, "compliance_results": {"a": %q}}`,
			token+long, token+long, token+long)
		return says("HTTP/1.1 200 OK\r\nX-Request-Id: " + token + "\r\n\r\n" + body)(r)
	})
	sent, err := client(t, echo).Send(t.Context(), opener("l-1", "to:ann@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	convo, err := client(t, echo).Conversation(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{sent.Date, sent.Compliance, sent.RequestID, convo.Channel, convo.RequestID} {
		if len(text) > 300 || !strings.Contains(text, "***") {
			t.Errorf("%d octets: %.100s", len(text), text)
		}
	}
}
