package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"heyrelay/internal/sandbox"
)

// The sandbox lists the messages that it accepted.
func Example() {
	s := sandbox.New(sandbox.Options{})

	r := httptest.NewRequest(http.MethodPost, "/v1/email/send", strings.NewReader(
		`{"creator_id": 55, "inbox": 202, "text": "Hi", "targets": ["to:ann@example.com"]}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+sandbox.DemoAPIKey)
	s.ServeHTTP(httptest.NewRecorder(), r)

	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sandbox/messages", nil))
	fmt.Print(w.Body)
	// Output:
	// [{"id":500001,"convo_id":9001,"request":{"creator_id":55,"inbox":202,"text":"Hi","targets":["to:ann@example.com"]}}]
}

// A test can make the API fail.
func ExampleSandbox_Inject() {
	s := sandbox.New(sandbox.Options{})
	s.Inject(2, sandbox.TempError, func(c sandbox.Call) bool { return c.Method == http.MethodGet })

	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/v1/inboxes", nil)
		r.Header.Set("Authorization", "Bearer "+sandbox.DemoAPIKey)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// 500
	// 500
	// 200
}
