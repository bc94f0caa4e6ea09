package delivery

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// What the state of a conversation means for the reply that was refused in it.
func TestRefusedReply(t *testing.T) {
	const there = `{"id":7,"inbox":202,"channel":"email"}`
	const refused = "the API returned it"
	const exists = refused + " (its conversation exists)"
	for _, c := range []struct {
		name          string
		status        int // of the refusal
		answer        func(*http.Request) (*http.Response, error)
		state         spool.State
		next          spool.Call
		reopen, alive bool
		wait          time.Duration
		reason        string
	}{
		{"400, there", 400, answer(200, there), spool.Failed, spool.Send, false, true, 0, exists},
		{"403, there", 403, answer(200, there), spool.Deferred, spool.Send, false, true, 30 * time.Second, exists},
		{
			"403, blocked", 403, answer(200, `{"id":7,"inbox":202,"channel":"email","blocked":true}`),
			spool.Failed, spool.Send, false, true, 0, refused + " (the contact is blocked)",
		},
		{"404, there", 404, answer(200, there), spool.Deferred, spool.Send, false, true, time.Second, exists},
		{"gone", 400, answer(404, `{"error":"none"}`), spool.Deferred, spool.Send, true, false, 0, ""},
		{"moved", 403, answer(200, `{"id":7,"inbox":203}`), spool.Deferred, spool.Send, true, false, 0, ""},
		{
			"nobody knows", 404, answer(500, `{}`),
			spool.Deferred, spool.CheckConversation, false, false, time.Second, "the API returned 500: {}",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				l := newLane()
				l.task.Call, l.task.ConvoID = spool.CheckConversation, 7
				l.task.Refused, l.task.RefusedStatus, l.task.RefusedAPIID = refused, c.status, "req-1"
				a := &answers{list: []func(*http.Request) (*http.Response, error){c.answer, until}}
				rec := run(t, l, a, time.Second/2)
				o := l.outcomes[0]
				if o.State != c.state || o.NextCall != c.next || o.Reopen != c.reopen || o.ConversationAlive != c.alive {
					t.Errorf("%v, next %v, reopen %t, alive %t", o.State, o.NextCall, o.Reopen, o.ConversationAlive)
				}
				if c.reopen != (o.LocalID == "L2") || c.alive && o.Status != http.StatusOK {
					t.Errorf("the local_id is %q, the status %d", o.LocalID, o.Status)
				}
				if c.reason != "" && o.Reason != c.reason {
					t.Errorf("the reason is %q, want %q", o.Reason, c.reason)
				}
				if got := o.Due.Sub(start); o.State == spool.Deferred && got != c.wait {
					t.Errorf("again after %v, want %v", got, c.wait)
				}
				if e := rec.all[0]; c.alive && (e.Status != c.status || e.APIID != "req-1") {
					t.Errorf("the event has the status %d and the X-Request-Id %q, want those of the refusal", e.Status, e.APIID)
				}
			})
		})
	}
}

// What is found by its local_id is sent, with the ids that a response would have had.
func TestFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		l.task.Call, l.task.Unknown, l.task.Sends = spool.FindMessage, true, []time.Time{time.Now()}
		found := answer(200, `[{"id":9,"local_id":"L","conversation":{"id":7},"date":"2000-01-01T00:00:00Z"}]`)
		run(t, l, &answers{list: []func(*http.Request) (*http.Response, error){found}}, time.Minute)
		if o := l.outcomes[0]; o.State != spool.Sent || o.ConvoID != 7 || o.MessageID != 9 || o.Reason == "" {
			t.Errorf("%v, conversation %d, message %d: %s", o.State, o.ConvoID, o.MessageID, o.Reason)
		}
	})
}

// A message that is not listed is searched for again when a minute has passed since it was sent, and
// sent again only then.
func TestNotListedYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		sent := time.Now()
		l.task.Call, l.task.Unknown, l.task.Sends = spool.FindMessage, true, []time.Time{sent}
		none := answer(200, `[]`)
		a := &answers{list: []func(*http.Request) (*http.Response, error){none, none, answer(200, sentBody)}}
		run(t, l, a, 2*time.Minute)
		if len(l.outcomes) != 3 {
			t.Fatalf("%d outcomes", len(l.outcomes))
		}
		first, second, last := l.outcomes[0], l.outcomes[1], l.outcomes[2]
		if first.ProvenAbsent || first.NextCall != spool.FindMessage || first.Due.Sub(sent) != time.Minute {
			t.Errorf("at first: absent %t, next %v after %v", first.ProvenAbsent, first.NextCall, first.Due.Sub(sent))
		}
		if !second.ProvenAbsent || second.NextCall != spool.Send || second.Due.Sub(sent) != time.Minute {
			t.Errorf("then: absent %t, next %v after %v", second.ProvenAbsent, second.NextCall, second.Due.Sub(sent))
		}
		if last.State != spool.Sent {
			t.Errorf("in the end it is %v", last.State)
		}
	})
}

// A message that a search finds was sent at another time: that it is there does not show that its route can send now,
// and no refusal becomes the message's own.
func TestWhatIsFoundIsNoProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{
			Setup: always(shop(t, &answers{})), Store: newLane(), Now: time.Now, Sink: &recorder{},
			Jitter: func() float64 { return 0 },
		})
		s.ctx = t.Context()
		s.clock = spool.NewClock(time.Now)
		s.hold(spool.Hold{Team: "shop", Route: "support", Reason: "403"})
		refused := &spool.Task{Team: "shop", Route: "support", Attempt: 1, RouteRefusedAt: time.Now()}
		time.Sleep(time.Second)
		found := &spool.Task{Request: 2, Team: "shop", Route: "support", Call: spool.FindMessage, Unknown: true}
		r := &result{setup: s.setup, task: found, search: heymarket.Search{Found: true, Complete: true}}
		if o := s.conclude(r); o.State != spool.Sent {
			t.Errorf("what was found is %s", o.State)
		}
		if s.CanSend("shop", "support") {
			t.Error("it ends the hold of its route")
		}
		refused.TrialSince = time.Now()
		if o := s.forbidden(spool.Outcome{Task: refused}); o.State != spool.Deferred {
			t.Errorf("another message, refused again, is %s: %s", o.State, o.Reason)
		}
	})
}
