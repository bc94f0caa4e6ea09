package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/sandbox"
)

// expected is the result of a send to each fault's recipient: a status, or an end
// of the connection; a part of the response; and whether the message is accepted.
var expected = map[sandbox.Fault]struct {
	status   int
	end      string
	words    string
	accepted bool
}{
	sandbox.TempError:     {status: 500, words: `"error":"Server error"`},
	sandbox.PermError:     {status: 400, words: `"error":"bad_data"`},
	sandbox.Unauthorized:  {status: 401, words: `"error":"Unauthorized"`},
	sandbox.Denied:        {status: 403, words: `"error":"Denied"`},
	sandbox.Timeout:       {status: 408, words: `"error"`},
	sandbox.Conflict:      {status: 409, words: `"error"`},
	sandbox.TooLarge:      {status: 413, words: `"error"`},
	sandbox.Unprocessed:   {status: 422, words: `"error"`},
	sandbox.TooEarly:      {status: 425, words: `"error"`},
	sandbox.Teapot:        {status: 418, words: `"error"`},
	sandbox.Throttle:      {status: 429, words: `"error":"Rate limit exceeded"`},
	sandbox.ThrottleFor:   {status: 429, words: `"error":"Rate limit exceeded"`},
	sandbox.ThrottleUntil: {status: 429, words: `"error":"Rate limit exceeded"`},
	sandbox.Unavailable:   {status: 503, words: "<!DOCTYPE html>"},
	sandbox.Redirect:      {status: 302, words: "<!DOCTYPE html>"},
	sandbox.HTML200:       {status: 200, words: "<!DOCTYPE html>"},
	sandbox.HTML403:       {status: 403, words: "<!DOCTYPE html>"},
	sandbox.Switching:     {status: 101},
	sandbox.Refused:       {end: "refused"},
	sandbox.DropBefore:    {end: "EOF"},
	sandbox.DropAfter:     {end: "EOF", accepted: true},
	sandbox.HalfAnswer:    {end: "unexpected EOF", accepted: true},
	sandbox.LateError:     {status: 500, words: `"error":"Server error"`, accepted: true},
	sandbox.Slow:          {status: 200, words: `"queued":true`, accepted: true},
	sandbox.Huge:          {status: 200, words: `"queued":true`, accepted: true},
	sandbox.NotQueued:     {status: 200, words: `"queued":false`, accepted: true},
	sandbox.NoID:          {status: 200, words: `"date":"2026-11-01T12:00:00Z","queued"`, accepted: true},
	sandbox.NoConvo:       {status: 200, words: `{"compliance_results":{},"date"`, accepted: true},
	sandbox.Compliance:    {status: 200, words: `"compliance_results":{"flagged":true}`, accepted: true},
	sandbox.Foreign:       {status: 200, words: `"convo_id":9001`, accepted: true},
	sandbox.Elsewhere:     {status: 200, words: `"convo_id":9002`, accepted: true},
	sandbox.Gone:          {status: 200, words: `"convo_id":9002`, accepted: true},
	sandbox.Moved:         {status: 200, words: `"convo_id":9002`, accepted: true},
	sandbox.NoInbox:       {status: 200, words: `"convo_id":9002`, accepted: true},
}

// TestFaults sends to the recipient of each fault, with and without a network,
// and once more with the same local_id: the fault is then used up.
func TestFaults(t *testing.T) {
	for _, f := range sandbox.Faults() {
		want, known := expected[f]
		if !known {
			t.Errorf("%s has no expectation", f)
		}
		for _, network := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/network=%t", f, network), func(t *testing.T) {
				at := clock{start}
				s := sandbox.New(sandbox.Options{Now: at.now, Slow: time.Millisecond, Huge: 64 << 10})
				send(t, s, opener("ann@example.com", ""))
				post := poster(t, s, network)

				body := opener(string(f)+"+1@example.com", "l-1")
				status, answer, err := post(body)
				switch {
				case want.end == "refused" && network: // a Handler can only cut it
					if err == nil {
						t.Errorf("%d %s", status, answer)
					}
				case want.end != "":
					if err == nil || !strings.HasSuffix(err.Error(), want.end) {
						t.Errorf("%d %s, %v; not the end %s", status, answer, err, want.end)
					}
				case err != nil || status != want.status || !strings.Contains(answer, want.words):
					t.Errorf("%d %s, %v; not %d with %s", status, answer, err, want.status, want.words)
				}
				if got := len(s.Messages()) == 2; got != want.accepted {
					t.Errorf("accepted: %t, not %t", got, want.accepted)
				}

				status, answer, err = post(body)
				good := strings.Contains(answer, `"convo_id":9002`) && strings.Contains(answer, `"queued":true`)
				if err != nil || status != 200 || !good {
					t.Errorf("the second time: %d %s, %v", status, answer, err)
				}
				if n := len(s.Messages()); n != 2 {
					t.Errorf("there are %d messages", n)
				}
			})
		}
	}
}

// poster returns a function that sends through a RoundTripper or a server.
func poster(t *testing.T, s *sandbox.Sandbox, network bool) func(body string) (int, string, error) {
	var transport http.RoundTripper = s
	url := "https://api.example"
	if network {
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		real := &http.Transport{DisableKeepAlives: true}
		t.Cleanup(real.CloseIdleConnections)
		transport, url = real, server.URL
	}
	return func(body string) (int, string, error) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/email/send", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+sandbox.DemoAPIKey)
		r.Header.Set("Content-Type", "application/json")
		resp, err := transport.RoundTrip(r)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return resp.StatusCode, "", nil // the body is a connection without an end
		}
		answer, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(answer), err
	}
}

func TestFaultHeaders(t *testing.T) {
	at := clock{start}
	s := sandbox.New(sandbox.Options{RetryAfter: 3 * time.Second, Now: at.now})
	for to, want := range map[string]string{
		"throttle":      "Retry-After: 3",
		"throttlefor":   "Retry-After: 60",
		"throttleuntil": "Retry-After: Sun, 01 Nov 2026 12:01:00 GMT",
		"unavailable":   "Retry-After: 1",
		"redirect":      "Location: https://portal.example/",
	} {
		body := opener(to+"@example.com", "")
		_, header, _ := request(s, "POST", "/v1/email/send", body, "Authorization: Bearer "+sandbox.DemoAPIKey)
		name, value, _ := strings.Cut(want, ": ")
		if header.Get(name) != value {
			t.Errorf("%s: %s is %q", to, name, header.Get(name))
		}
	}
}

func TestFaultCounts(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	statuses := func(to, localID string) string {
		var list []string
		for range 4 {
			status, _ := ask(s, "POST", "/v1/email/send", opener(to, localID))
			list = append(list, fmt.Sprint(status))
		}
		return strings.Join(list, " ")
	}
	for _, test := range []struct{ to, localID, want string }{
		{"temperror@example.com", "l-1", "500 500 500 500"},
		{"temperror+2@example.com", "l-2", "500 500 200 200"},
		{"temperror+2@example.com", "l-3", "500 500 200 200"}, // for each local_id
		{"temperror+1@example.com", "", "500 200 200 200"},    // for the address
		{"TempError+1@example.com", "l-4", "500 200 200 200"},
		{"temperror+1@example.com,throttle+2@example.com", "l-5", "500 429 429 200"},
		{"temperror+x@example.com", "l-6", "200 200 200 200"},
		{"temperrors@example.com", "l-7", "200 200 200 200"},
	} {
		if got := statuses(test.to, test.localID); got != test.want {
			t.Errorf("%s %s: %s, not %s", test.to, test.localID, got, test.want)
		}
	}
}

func TestFaultsOfReplies(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	if status, _ := ask(s, "POST", "/v1/email/send", opener("temperror+1@example.com", "l-1")); status != 500 {
		t.Errorf("the opener: %d", status)
	}
	convo := send(t, s, opener("temperror+1@example.com", "l-1")).ConvoID
	if status, _ := ask(s, "POST", "/v1/email/send", answerTo(convo, "l-2")); status != 500 {
		t.Errorf("the reply: %d", status)
	}
	send(t, s, answerTo(convo, "l-2"))
}

func TestGoneAndMovedAfterwards(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	gone := send(t, s, opener("gone@example.com", "")).ConvoID
	if status, _ := ask(s, "GET", fmt.Sprintf("/v1/conversations/%d", gone), ""); status != 404 {
		t.Errorf("gone@: %d", status)
	}
	moved := send(t, s, opener("moved@example.com", "")).ConvoID
	if status, body := ask(s, "POST", "/v1/email/send", answerTo(moved, "")); status != 400 {
		t.Errorf("moved@: %d %s", status, body)
	}
}

func TestElsewhere(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	first := send(t, s, opener("elsewhere@example.com", "")).ConvoID
	second := send(t, s, answerTo(first, "")).ConvoID
	if second == first {
		t.Fatal("the reply is in the old conversation")
	}
	_, body := ask(s, "GET", fmt.Sprintf("/v1/conversations/%d", second), "")
	if !strings.Contains(body, "elsewhere@example.com") {
		t.Error(body)
	}
}

func TestInject(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	s.Inject(2, sandbox.TempError, nil)
	s.Inject(1, sandbox.Denied, func(c sandbox.Call) bool { return c.Path == "/v1/team" && c.Method == "GET" })
	s.Inject(0, sandbox.Unauthorized, nil)
	var got []int
	for _, path := range []string{"/v1/inboxes", "/v1/inboxes", "/v1/inboxes", "/v1/team", "/v1/team"} {
		status, _ := ask(s, "GET", path, "")
		got = append(got, status)
	}
	if fmt.Sprint(got) != "[500 500 200 403 200]" {
		t.Error(got)
	}

	s.Inject(-1, sandbox.TempError, func(c sandbox.Call) bool { return strings.Contains(string(c.Body), "l-9") })
	for range 3 {
		if status, _ := ask(s, "POST", "/v1/email/send", opener("ann@example.com", "l-9")); status != 500 {
			t.Error(status)
		}
	}
	send(t, s, opener("ann@example.com", "l-8"))
	s.Clear()
	send(t, s, opener("ann@example.com", "l-9"))
}

func TestOutageComesBeforeEverything(t *testing.T) {
	s := sandbox.New(sandbox.Options{RatePerMinute: 1})
	s.Inject(3, sandbox.Refused, nil)
	post := poster(t, s, false)
	for range 3 {
		var dial *net.OpError
		if _, _, err := post("{}"); !errors.As(err, &dial) || dial.Op != "dial" {
			t.Errorf("%v is no refused connection", err)
		}
	}
	if status, _, err := post(opener("ann@example.com", "")); status != 200 || err != nil {
		t.Error("the refused calls counted:", status, err)
	}
}

func TestChanceRepeatsWithItsSeed(t *testing.T) {
	run := func(seed uint64) (string, map[int]int) {
		chance := map[sandbox.Fault]float64{sandbox.TempError: 0.2, sandbox.Throttle: 0.1}
		s := sandbox.New(sandbox.Options{Seed: seed, Chance: chance})
		var all strings.Builder
		counts := make(map[int]int)
		for i := range 1000 {
			status, _ := ask(s, "POST", "/v1/email/send", opener("ann@example.com", fmt.Sprint(i%500)))
			counts[status]++
			fmt.Fprint(&all, status, " ")
		}
		return all.String(), counts
	}
	one, counts := run(1)
	if again, _ := run(1); again != one {
		t.Error("the same seed gave another run")
	}
	if other, _ := run(2); other == one {
		t.Error("another seed gave the same run")
	}
	if n := counts[500]; n < 150 || n > 250 {
		t.Errorf("%d of 1000 got 500, not about 200", n)
	}
	if n := counts[429]; n < 60 || n > 140 {
		t.Errorf("%d of 1000 got 429, not about 100", n)
	}
}

// TestChanceIgnoresOtherCalls: the fault of a call does not depend on the calls
// between.
func TestChanceIgnoresOtherCalls(t *testing.T) {
	run := func(order []int) map[int]int {
		s := sandbox.New(sandbox.Options{Seed: 3, Chance: map[sandbox.Fault]float64{sandbox.TempError: 0.5}})
		got := make(map[int]int)
		for _, i := range order {
			got[i], _ = ask(s, "POST", "/v1/email/send", opener("ann@example.com", fmt.Sprint(i)))
		}
		return got
	}
	up, down := run([]int{1, 2, 3, 4, 5, 6, 7, 8}), run([]int{8, 7, 6, 5, 4, 3, 2, 1})
	if fmt.Sprint(up) != fmt.Sprint(down) {
		t.Errorf("%v in another order is %v", up, down)
	}
}

func TestTimePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{Latency: 50 * time.Millisecond, Slow: 7 * time.Second})
		post := poster(t, s, false)
		for _, test := range []struct {
			to   string
			want time.Duration
		}{{"ann@example.com", 50 * time.Millisecond}, {"slow@example.com", 7050 * time.Millisecond}} {
			begun := time.Now()
			if _, _, err := post(opener(test.to, "")); err != nil || time.Since(begun) != test.want {
				t.Errorf("%s: %v, %v", test.to, time.Since(begun), err)
			}
		}
	})
}

func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{Latency: time.Second, Spread: time.Second})
		post := poster(t, s, false)
		seen := make(map[time.Duration]bool)
		for range 20 {
			begun := time.Now()
			post(opener("ann@example.com", ""))
			took := time.Since(begun)
			if took < time.Second || took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			seen[took] = true
		}
		if len(seen) < 20 {
			t.Errorf("only %d different times", len(seen))
		}
	})
}

// TestCancelledCall: cancelling a slow call does not undo an accepted message.
func TestCancelledCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var asked, got bool
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GetConn: func(string) { asked = true },
			GotConn: func(httptrace.GotConnInfo) { got = true },
		})
		body := strings.NewReader(opener("slow@example.com", ""))
		r, err := http.NewRequestWithContext(ctx, "POST", "https://api.example/v1/email/send", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+sandbox.DemoAPIKey)
		r.Header.Set("Content-Type", "application/json")
		begun := time.Now()
		_, err = s.RoundTrip(r)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if !asked || !got || len(s.Messages()) != 1 {
			t.Errorf("asked %t, got %t, %d messages", asked, got, len(s.Messages()))
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			ask(s, "POST", "/v1/email/send", opener("ann@example.com", fmt.Sprint(i%25)))
			s.Messages()
			s.Stats()
		})
	}
	all.Wait()
	if got := s.Stats(); got.Accepted != 25 || got.Repeated != 25 || got.Conflicts != 0 {
		t.Errorf("%+v", got)
	}
}
