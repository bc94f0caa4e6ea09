package heymarket_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"

	"heyrelay/internal/heymarket"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the time at which these tests begin.
var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func atStart() time.Time { return start }

// carrier is a RoundTripper made of a function.
type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// says answers every request with the same HTTP message.
func says(message string) carrier {
	return func(r *http.Request) (*http.Response, error) {
		return http.ReadResponse(bufio.NewReader(strings.NewReader(message)), r)
	}
}

// says200 answers every request 200, with body.
func says200(body string) carrier { return says("HTTP/1.1 200 OK\r\n\r\n" + body) }

// client makes a client with one secret, the clock at start, and no network.
func client(t *testing.T, transport http.RoundTripper) *heymarket.Client {
	t.Helper()
	c, err := heymarket.New(heymarket.Options{
		Secrets:   []heymarket.Secret{{ID: "74f80a77", Key: "k3y"}},
		Transport: transport,
		Now:       atStart,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// opener is an e-mail that opens a conversation.
func opener(localID string, targets ...string) heymarket.Email {
	return heymarket.Email{
		CreatorID: 55,
		Inbox:     202,
		Text:      "<p>Hi & bye</p>",
		RawText:   "Hi & bye",
		LocalID:   localID,
		ConvTitle: "Hello",
		Targets:   targets,
	}
}

// failure returns err as the Error that it must be.
func failure(t *testing.T, err error) *heymarket.Error {
	t.Helper()
	e, ok := errors.AsType[*heymarket.Error](err)
	if !ok {
		t.Fatalf("%#v is not an *Error", err)
	}
	return e
}

// TestResponses reads each file in testdata/responses as the response to a send.
func TestResponses(t *testing.T) {
	files, _ := filepath.Glob("testdata/responses/*.txtar")
	if len(files) < 40 {
		t.Fatalf("only %d cases", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			message := bytes.TrimSuffix(ar.Files[0].Data, []byte("\n"))
			got := outcome(client(t, says(string(message)+"\n")).Send(t.Context(), opener("l-1", "to:ann@example.com")))
			if want := string(ar.Files[1].Data); got != want {
				t.Errorf("%sgot\n%swant\n%s", ar.Comment, got, want)
			}
			if *update {
				ar.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// outcome prints the result of a send.
func outcome(sent heymarket.Sent, err error) string {
	if err == nil {
		return fmt.Sprintf("sent %d in %d\nqueued %t\ndate %q\ncompliance %q\nrequest %q\n",
			sent.ID, sent.ConvoID, sent.Queued, sent.Date, sent.Compliance, sent.RequestID)
	}
	e, ok := errors.AsType[*heymarket.Error](err)
	if !ok {
		return fmt.Sprintf("not an *Error: %v\n", err)
	}
	return fmt.Sprintf("%v, unknown %t\nstatus %d\nretry after %v\nrequest %q\nreason %q\n",
		e.Class, e.Unknown, e.Status, e.RetryAfter, e.RequestID, e.Reason)
}

// TestStatuses checks the class of every status, with a JSON body and without.
func TestStatuses(t *testing.T) {
	again, unknown := verdict{heymarket.Again, false}, verdict{heymarket.Again, true}
	redirect := verdict{heymarket.Redirect, false}
	asJSON := map[int]verdict{
		400: {heymarket.Invalid, false},
		401: {heymarket.Denied, false},
		403: {heymarket.Forbidden, false},
		404: {heymarket.NotFound, false},
		408: unknown,
		409: {heymarket.Conflict, false},
		413: {heymarket.Invalid, false},
		422: {heymarket.Invalid, false},
		425: again,
		429: again,
	}
	asHTML := map[int]verdict{401: asJSON[401], 408: unknown, 409: asJSON[409]}
	for status := 200; status < 600; status++ {
		for body, table := range map[string]map[int]verdict{`{"error": "x"}`: asJSON, "<p>x</p>": asHTML} {
			want, special := table[status]
			switch {
			case special:
			case status < 300 || status >= 500:
				want = unknown // no id in the body
			case status < 400:
				want = redirect
			default:
				want = again
			}
			if status == 204 || status == 304 {
				continue // have no body
			}
			c := client(t, says(fmt.Sprintf("HTTP/1.1 %d X\r\n\r\n%s", status, body)))
			_, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
			e := failure(t, err)
			if got := (verdict{e.Class, e.Unknown}); got != want || e.Status != status {
				t.Errorf("%d with %s: %v, not %v", status, body, got, want)
			}
		}
	}
}

func TestNew(t *testing.T) {
	secret := []heymarket.Secret{{ID: "id", Key: "k3y"}}
	for _, test := range []struct {
		o    heymarket.Options
		want string
	}{
		{heymarket.Options{Secrets: secret}, ""},
		{heymarket.Options{APIKey: "k3y"}, ""},
		{heymarket.Options{APIKey: "k3y", BaseURL: "https://api.example/prefix/"}, ""},
		{heymarket.Options{APIKey: "k3y", BaseURL: "http://127.0.0.1:8026"}, ""},
		{heymarket.Options{APIKey: "k3y", BaseURL: "http://[::1]:8026"}, ""},
		{heymarket.Options{APIKey: "k3y", BaseURL: "http://localhost"}, ""},
		{heymarket.Options{APIKey: "k3y", BaseURL: "http://sandbox:8026", AllowHTTP: true}, ""},
		{heymarket.Options{APIKey: "k3y", BaseURL: "ftp://sandbox", AllowHTTP: true}, "not https"},
		{heymarket.Options{}, "a secret or an API key is required"},
		{heymarket.Options{Secrets: []heymarket.Secret{{ID: "id"}}}, "needs both an id and a key"},
		{heymarket.Options{Secrets: []heymarket.Secret{{Key: "k3y"}}}, "needs both an id and a key"},
		{heymarket.Options{Secrets: []heymarket.Secret{{ID: "id", Key: "k3y\n"}}}, "white space"},
		{heymarket.Options{APIKey: "k3y "}, "white space"},
		{heymarket.Options{Secrets: append(append(secret, secret...), secret...)}, "at most two"},
		{heymarket.Options{APIKey: "k3y", BaseURL: "http://api.example"}, "not https"},
		{heymarket.Options{APIKey: "k3y", BaseURL: "http://localhost.example"}, "not https"},
		{heymarket.Options{APIKey: "k3y", BaseURL: "ftp://localhost"}, "not https"},
		{heymarket.Options{APIKey: "k3y", BaseURL: "api.example"}, "invalid base URL"},
		{heymarket.Options{APIKey: "k3y", BaseURL: "https://"}, "invalid base URL"},
		{heymarket.Options{APIKey: "k3y", BaseURL: "https://u:k3y@api.example"}, "has a user"},
		{heymarket.Options{APIKey: "k3y", BaseURL: "https://api.example?a=k3y"}, "has a user, a query"},
		{heymarket.Options{APIKey: "k3y", BaseURL: "https://u:k3y@api.example:x"}, "invalid base URL"},
	} {
		c, err := heymarket.New(test.o)
		if test.want == "" {
			if err != nil || c == nil {
				t.Errorf("%+v: %v", test.o, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, not %q", test.o, err, test.want)
		} else if strings.Contains(err.Error(), "k3y") {
			t.Errorf("the error contains the key: %v", err)
		}
	}
}
