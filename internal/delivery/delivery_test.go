package delivery

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

func TestSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := newLane(), &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
		rec := run(t, l, a, time.Minute)
		if len(l.outcomes) != 1 {
			t.Fatalf("%d outcomes", len(l.outcomes))
		}
		if o := l.outcomes[0]; o.State != spool.Sent || o.ConvoID != 7 || o.MessageID != 9 || o.APIID != "req-1" ||
			o.Status != 200 {
			t.Errorf("outcome %+v", o)
		}
		if fmt.Sprint(rec.kind) != "[sent]" {
			t.Errorf("events %v", rec.kind)
		}
	})
}

// What the API says of a message that it took is kept with the attempt.
func TestComplianceResults(t *testing.T) {
	const results = `{"links":"shortened"}`
	const unqueued = "the API accepted it, but did not queue it"
	for _, c := range []struct{ more, want string }{
		{`"queued":true,"compliance_results":{}`, ""},
		{`"queued":true,"compliance_results":` + results, "compliance_results " + results},
		{`"queued":false`, unqueued},
		{`"queued":false,"compliance_results":` + results, unqueued + ": compliance_results " + results},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLane()
			a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, `{"id":9,`+c.more+`}`)}}
			run(t, l, a, time.Minute)
			if got := l.outcomes[0].Reason; got != c.want {
				t.Errorf("%s: %q, want %q", c.more, got, c.want)
			}
		})
	}
}

// The X-Request-Id of a response is kept with its attempt, whatever was called and whatever that means.
func TestEveryAttemptHasItsRequestID(t *testing.T) {
	const there = `{"id":7,"inbox":202,"channel":"email"}`
	const moved = `{"id":7,"inbox":203,"channel":"email"}`
	for _, c := range []struct {
		call    spool.Call
		refused int // status of the reply before
		status  int
		body    string
	}{
		{spool.Send, 0, 200, sentBody},
		{spool.Send, 0, 200, `<html>`},
		{spool.Send, 0, 302, ``},
		{spool.Send, 0, 400, `{"error":"bad_data"}`},
		{spool.Send, 0, 503, ``},
		{spool.CheckConversation, 0, 200, there},
		{spool.CheckConversation, 0, 200, moved},
		{spool.CheckConversation, 0, 404, `{"error":"none"}`},
		{spool.CheckConversation, 400, 200, there},
		{spool.CheckConversation, 400, 200, moved},
		{spool.CheckConversation, 400, 404, `{"error":"none"}`},
		{spool.FindMessage, 0, 200, `[]`},
		{spool.FindMessage, 0, 200, `[{"id":1,"local_id":"L","date":"2026-11-01T12:00:00Z"}]`},
		{spool.FindMessage, 0, 200, `[{"id":1,"local_id":"other"}]`},
		{spool.FindMessage, 0, 429, `{}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLane()
			l.task.Call, l.task.RefusedStatus, l.task.ConvoID = c.call, c.refused, 7
			l.task.Unknown = c.call == spool.FindMessage
			l.task.Sends = []time.Time{time.Now()}
			a := &answers{list: []func(*http.Request) (*http.Response, error){answer(c.status, c.body), until}}
			run(t, l, a, time.Second/2)
			if o := l.outcomes[0]; o.APIID != "req-1" {
				t.Errorf("%v answered %d %s: the X-Request-Id is %q", c.call, c.status, c.body, o.APIID)
			}
		})
	}
}

// What an answer means for a request that was tried for the first time.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  func(*http.Request) (*http.Response, error)
		state   spool.State
		unknown bool
		wait    time.Duration
	}{
		{"200 not queued", answer(200, `{"id":9,"convo_id":7,"queued":false}`), spool.Flagged, false, 0},
		{"200 of a captive portal", answer(200, `<html>`), spool.Deferred, true, time.Second},
		{"302", answer(302, ``, "Location", "https://elsewhere.example"), spool.Deferred, false, 0},
		{"400", answer(400, `{"error":"bad_data"}`), spool.Failed, false, 0},
		{"413", answer(413, `{"error":"too large"}`), spool.Failed, false, 0},
		{"422", answer(422, `{"error":"no"}`), spool.Failed, false, 0},
		{"400 of a proxy", answer(400, `<html>`), spool.Deferred, false, time.Second},
		{"401", answer(401, `{"error":"who"}`), spool.Deferred, false, 0},
		{"403", answer(403, `{"error":"no"}`), spool.Deferred, false, 30 * time.Second},
		{"404", answer(404, `{"error":"no"}`), spool.Deferred, false, time.Second},
		{"408", answer(408, ``), spool.Deferred, true, time.Second},
		{"429", answer(429, `{}`), spool.Deferred, false, time.Second},
		{"429 with Retry-After", answer(429, `{}`, "Retry-After", "90"), spool.Deferred, false, 90 * time.Second},
		{"429, long Retry-After", answer(429, `{}`, "Retry-After", "999999"), spool.Deferred, false, time.Hour},
		{"500", answer(500, `{}`), spool.Deferred, true, time.Second},
		{"503 with Retry-After", answer(503, `{}`, "Retry-After", "90"), spool.Deferred, true, 90 * time.Second},
		{"time-out", until, spool.Deferred, true, 31 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLane()
				l.due = time.Now().Add(-time.Second)
				run(
					t,
					l,
					&answers{list: []func(*http.Request) (*http.Response, error){c.answer, until}},
					31*time.Second,
				)
				o := l.outcomes[0]
				if o.State != c.state || o.Unknown != c.unknown {
					t.Errorf("state %v, unknown %v, want %v, %v: %s", o.State, o.Unknown, c.state, c.unknown, o.Reason)
				}
				if o.State == spool.Deferred && o.Due.Sub(l.task.TrialSince) != c.wait {
					t.Errorf("again after %v, want %v", o.Due.Sub(l.task.TrialSince), c.wait)
				}
			})
		})
	}
}

func TestBackOffDoublesToItsLimit(t *testing.T) {
	s := New(
		Options{
			Setup: always(Setup{
				Event:        silent,
				RetryInitial: time.Second,
				RetryMax:     time.Minute,
			}),
			Jitter: func() float64 { return 0 },
		},
	)
	for attempt, want := range map[int]time.Duration{
		1:    time.Second,
		2:    2 * time.Second,
		6:    32 * time.Second,
		7:    time.Minute,
		1000: time.Minute,
	} {
		if got := s.backOff(attempt); got != want {
			t.Errorf("after attempt %d: %v, want %v", attempt, got, want)
		}
	}
	s.o.Jitter = func() float64 { return 0.999 }
	if got := s.backOff(7); got < 30*time.Second || got > 31*time.Second {
		t.Errorf("jitter takes off %v of a minute, want just under half", time.Minute-got)
	}
}

// The same bytes and local_id over all attempts.
func TestARetryRepeatsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		a := &answers{
			list: []func(*http.Request) (*http.Response, error){
				answer(500, `{}`),
				answer(503, `{}`),
				answer(200, sentBody),
			},
		}
		run(t, l, a, time.Minute)
		if len(a.calls) != 3 || a.calls[0] != a.calls[1] || a.calls[1] != a.calls[2] ||
			!strings.Contains(a.calls[0], `"local_id":"L"`) {
			t.Errorf("calls %q", a.calls)
		}
		if d := a.begun[2].Sub(a.begun[0]); d != 3*time.Second {
			t.Errorf("third attempt after %v, want 1 s + 2 s", d)
		}
	})
}

// A search that failed or did not come to its end decides nothing: the same call
// with the same local_id may, as long as the API remembers that.
func TestAnIncompleteSearchIsFollowedBySend(t *testing.T) {
	for name, search := range map[string]func(*http.Request) (*http.Response, error){
		"half":   answer(200, `[{"id":1,"local_id":"other"}]`),
		"failed": answer(418, `{"error":"teapot"}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLane()
				a := &answers{
					list: []func(*http.Request) (*http.Response, error){
						answer(409, `{"error":"conflict"}`),
						search,
						answer(200, sentBody),
					},
				}
				run(t, l, a, time.Minute)
				if len(l.outcomes) != 3 || len(a.calls) != 3 || a.calls[2] != a.calls[0] {
					t.Fatalf("%d outcomes, calls %q", len(l.outcomes), a.calls)
				}
				if o := l.outcomes[0]; !o.Unknown || o.NextCall != spool.FindMessage {
					t.Errorf("after a 409: unknown %v, next %v", o.Unknown, o.NextCall)
				}
				if o := l.outcomes[1]; o.ProvenAbsent || o.NextCall != spool.Send {
					t.Errorf("after that search: known %v, next %v", o.ProvenAbsent, o.NextCall)
				}
				if o := l.outcomes[2]; o.State != spool.Sent {
					t.Errorf("in the end it is %v", o.State)
				}
			})
		})
	}
}

// Credentials that are refused hold the team; its probe is no message.
func TestDeniedHoldsTheTeam(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		no, yes := answer(401, `{"error":"who"}`), answer(200, sentBody)
		inboxes := answer(200, `[{"id":202,"members":[55]}]`)
		a := &answers{list: []func(*http.Request) (*http.Response, error){no, no, inboxes, yes}}
		rec := run(t, l, a, time.Minute)
		if got := fmt.Sprint(l.holdLog); got != `[hold {shop  0} release {shop  0}]` {
			t.Errorf("gates %s", got)
		}
		if len(a.calls) != 4 || a.calls[1] != "" || a.calls[2] != "" || l.reserved != 2 {
			t.Errorf("calls %q, %d spent on probes", a.calls, l.reserved)
		}
		if got := fmt.Sprint(rec.kind); got != "[held deferred released sent]" {
			t.Errorf("events %s", got)
		}
	})
}

// A 400 proves nothing where an earlier attempt may have been carried out.
func TestUnknownIsNotFailedByA400(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		run(
			t,
			l,
			&answers{
				list: []func(*http.Request) (*http.Response, error){
					answer(500, `{}`),
					answer(400, `{"error":"x"}`),
					answer(200, `[]`),
				},
			},
			30*time.Second,
		)
		for _, o := range l.outcomes {
			if o.State == spool.Failed {
				t.Errorf("failed: %s", o.Reason)
			}
		}
	})
}

func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		run(t, l, &answers{list: []func(*http.Request) (*http.Response, error){answer(429, `{}`)}}, 48*time.Hour)
		last := l.outcomes[len(l.outcomes)-1]
		if last.State != spool.Failed || !strings.Contains(last.Reason, "expired after") {
			t.Errorf("after two days: %v %s", last.State, last.Reason)
		}
		if d := time.Since(l.task.TrialSince); d < 24*time.Hour {
			t.Errorf("given up after %v", d)
		}
	})
}

// What the API answered is not lost because the disk is full for a while.
func TestAnAnswerIsRecordedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		l.failing = 3
		a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
		run(t, l, a, time.Minute)
		if len(l.outcomes) != 1 || l.outcomes[0].State != spool.Sent || len(a.calls) != 1 {
			t.Errorf("%d outcomes of %d calls", len(l.outcomes), len(a.calls))
		}
	})
}

// One outcome that the store cannot take does not hold up the others.
func TestOneBadOutcomeHurtsNobody(t *testing.T) {
	l := &lane{open: true, refuses: "Q2"}
	s := New(Options{
		Setup: always(Setup{Event: silent}),
		Store: l,
		Now:   time.Now,
		Sink:  &recorder{},
	})
	s.ctx = t.Context()
	var all []spool.Outcome
	for _, id := range []string{"Q1", "Q2", "Q3"} {
		all = append(all, spool.Outcome{Task: &spool.Task{QueueID: id}, State: spool.Sent})
	}
	if left := s.finish(all); len(left) != 1 || left[0].Task.QueueID != "Q2" || len(l.outcomes) != 2 {
		t.Errorf("left %+v, recorded %d", left, len(l.outcomes))
	}
}

// A call under way when Run is to stop may end; after Grace it is cut, and
// its outcome is unknown.
func TestStop(t *testing.T) {
	for _, c := range []struct {
		name  string
		takes time.Duration
		state spool.State
	}{{"in time", 4 * time.Second, spool.Sent}, {"too late", 6 * time.Second, spool.Deferred}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLane()
				slow := func(r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(c.takes):
						return answer(200, sentBody)(r)
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				}
				run(t, l, &answers{list: []func(*http.Request) (*http.Response, error){slow}}, time.Millisecond)
				if len(l.outcomes) != 1 || l.outcomes[0].State != c.state ||
					l.outcomes[0].Unknown != (c.state == spool.Deferred) {
					t.Errorf("outcomes %+v", l.outcomes)
				}
			})
		})
	}
}

// What was claimed while Run was to stop is given back untouched.
func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		l := newLane()
		l.onClaim = stop
		a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
		client, err := heymarket.New(heymarket.Options{APIKey: "key", Transport: a})
		if err != nil {
			t.Fatal(err)
		}
		New(Options{
			Setup: always(Setup{
				Event: silent,
				Teams: map[string]Team{"shop": {Client: client, Rate: 500, Concurrency: 8}},
			}),
			Store: l,
			Sink:  &recorder{},
			Now:   time.Now,
		}).Run(ctx)
		if l.released != 1 || len(a.calls) != 0 {
			t.Errorf("%d given back, %d calls", l.released, len(a.calls))
		}
	})
}

func TestHighHasCallsOfItsOwn(t *testing.T) {
	s := New(Options{
		Setup: always(Setup{
			Event: silent,
			Teams: map[string]Team{"shop": {Rate: 500, Concurrency: 16}},
		}),
		Now: time.Now,
	})
	s.team("shop").active = 10
	if r := rooms(s)[0]; r.Free != 4 || r.High != 2 {
		t.Errorf("room %+v, want 4 for all and 2 for high", r)
	}
	s.team("shop").active = 16
	if r := rooms(s); r != nil {
		t.Errorf("room %+v where there is none", r)
	}
}

// The bodies of active calls are bounded: large messages wait for one another.
func TestBodiesAreBounded(t *testing.T) {
	options := Team{Rate: 500, Concurrency: 16}
	s := New(Options{
		Setup: always(Setup{Event: silent, Bodies: 100, Teams: map[string]Team{"shop": options, "bank": options}}),
		Sink:  &recorder{},
		Now:   time.Now,
	})
	large := spool.Outcome{
		State: spool.Sent,
		Task:  &spool.Task{Team: "shop", HTML: strings.Repeat("a", 60), Text: strings.Repeat("b", 20)},
	}
	s.bodies = large.Task.Bodies()
	if r := rooms(s); len(r) != 2 || r[0].Bodies != 10 || r[1].Bodies != 10 {
		t.Errorf("rooms %+v, want ten octets for each team", r)
	}
	s.bodies = 2 * large.Task.Bodies()
	if r := rooms(s); r != nil {
		t.Errorf("room %+v where there is none", r)
	}
	if r, _ := s.capacities(context.Background(), []spool.Outcome{large}); len(r) != 2 || r[0].Bodies != 10 {
		t.Errorf("room %+v once one of two has ended", r)
	}
	s.finished([]spool.Outcome{large}, []spool.Finished{{}}, time.Now())
	if s.bodies != large.Task.Bodies() {
		t.Errorf("%d octets are active", s.bodies)
	}
}

func rooms(s *Scheduler) []spool.Capacity {
	r, _ := s.capacities(context.Background(), nil)
	return r
}

func TestEmailSaysTheSubjectOfAReply(t *testing.T) {
	m := Email(
		&spool.Task{
			ConvoID:       7,
			Subject:       "Fire <out>",
			HTML:          "<body><p>x</p></body>",
			SubjectOffset: 6,
			Text:          "x",
			Title:         "T",
			To:            []string{"a@x"},
		},
		55,
	)
	if m.Text != "<body><p>Subject: Fire &lt;out&gt;</p>\n<p>x</p></body>" || m.RawText != "Subject: Fire <out>\n\nx" {
		t.Errorf("bodies %q and %q", m.Text, m.RawText)
	}
	if m.ConvoID != 7 || m.Targets != nil || m.ConvTitle != "" {
		t.Errorf("a reply with %v %q", m.Targets, m.ConvTitle)
	}
}
