package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/sandbox"
)

// TestSandboxIDs: a sandbox never repeats the ids of one that was started earlier,
// because its ids begin at the milliseconds of its start.
func TestSandboxIDs(t *testing.T) {
	begun := time.Now().UnixMilli()
	s := newSandbox(0)
	r := httptest.NewRequest(http.MethodPost, "/v1/email/send", strings.NewReader(
		`{"creator_id": 55, "inbox": 202, "text": "Hi", "targets": ["to:ann@example.com"]}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+sandbox.DemoAPIKey)
	s.ServeHTTP(httptest.NewRecorder(), r)
	m := s.Messages()
	if len(m) != 1 || m[0].ID < begun || m[0].ConvoID < begun {
		t.Errorf("%+v, started at %d", m, begun)
	}
}
