package delivery

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/spool"
)

// What the answer to a look means where the application named the conversation and
// nothing was sent yet.
func TestNamedConversation(t *testing.T) {
	const header = "X-Heymarket-Convo-Id: conversation 7 "
	sms := answer(200, `{"id":7,"inbox":202,"channel":"sms"}`)
	for _, c := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		probe  bool
		state  spool.State
		next   spool.Call
		reason string
	}{
		{"there", answer(200, `{"id":7,"inbox":202,"channel":"email"}`), false, spool.Deferred, spool.Send, "exists"},
		{"gone", answer(404, `{"error":"none"}`), false, spool.Failed, spool.Send, header},
		{"elsewhere", answer(200, `{"id":7,"inbox":203,"channel":"email"}`), false, spool.Failed, spool.Send, header},
		{"a text message", sms, false, spool.Failed, spool.Send, header},
		{"no channel", answer(200, `{"id":7,"inbox":202}`), false, spool.Deferred, spool.CheckConversation, "channel"},
		{"server error", answer(500, `{}`), false, spool.Deferred, spool.CheckConversation, "500"},
		{"a proxy's 404", answer(404, `<html>`), false, spool.Deferred, spool.CheckConversation, "404"},
		{"forbidden", answer(403, `{"error":"no"}`), false, spool.Deferred, spool.CheckConversation, "403"},
		{"gone, as a probe", answer(404, `{"error":"none"}`), true, spool.Deferred, spool.CheckConversation, header},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLane()
				l.task.Call, l.task.ConvoID, l.task.Probe = spool.CheckConversation, 7, c.probe
				run(t, l, &answers{list: []func(*http.Request) (*http.Response, error){c.answer, until}}, time.Second/2)
				o := l.outcomes[0]
				if o.State != c.state || o.NextCall != c.next || o.Unknown || o.Reopen ||
					!strings.Contains(o.Reason, c.reason) {
					t.Errorf("%v, next %v, unknown %v, reopen %v: %s", o.State, o.NextCall, o.Unknown, o.Reopen, o.Reason)
				}
			})
		})
	}
}

// A conversation that by now is known for others is not called at all.
func TestForeignConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := newLane(), &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
		l.task.ConvoID, l.task.ConvoConflict = 7, true
		run(t, l, a, time.Minute)
		if len(a.calls) != 0 {
			t.Errorf("calls %q", a.calls)
		}
		if o := l.outcomes[0]; o.State != spool.Failed || !strings.Contains(o.Reason, "X-Heymarket-Convo-Id") {
			t.Errorf("%v: %s", o.State, o.Reason)
		}
	})
}

// Whether anybody looked at the conversation before a backup was made, a restored request does not know: once a
// search has shown that it was not sent, it looks, and is not sent into a conversation that is gone.
func TestRestoredNamed(t *testing.T) {
	const there = `{"id":7,"inbox":202,"channel":"email"}`
	none := answer(200, `[]`)
	for _, c := range []struct {
		last func(*http.Request) (*http.Response, error)
		want string
	}{
		{answer(200, there), "deferred, next send"},
		{answer(404, `{"error":"none"}`), "failed, next send"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLane()
			l.task.Call, l.task.ConvoID, l.task.Named = spool.CheckConversation, 7, true
			l.task.Unknown, l.task.Restored, l.task.Sends = true, true, []time.Time{time.Now().Add(-time.Hour)}
			a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, there), none, c.last, until}}
			run(t, l, a, time.Second/2)
			if len(l.outcomes) < 3 {
				t.Fatalf("calls %q", a.calls)
			}
			o := l.outcomes[2]
			if got := fmt.Sprintf("%v, next %v", o.State, o.NextCall); got != c.want || o.Task.Call != spool.CheckConversation {
				t.Errorf("%v: %s, want %s", o.Task.Call, got, c.want)
			}
		})
	}
}
