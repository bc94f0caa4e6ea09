package relay

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heyrelay/internal/events"
)

// A search that takes longer than a call may ends before its lease, and goes on with the
// next attempt, until it has proved that the message was not sent.
func TestSlowSearch(t *testing.T) {
	t.Parallel()
	api := &tally{slow: 20 * time.Second, answer: func(c apiCall) reply {
		switch {
		case c.isPage():
			return reply{200, history(c, 60*time.Millisecond), ""}
		case c.nth == 1:
			return reply{0, "", ""}
		}
		return reply{400, `{"error":"bad"}`, ""}
	}}
	try(t, "{}", api, 1, func(r *trial) {
		r.wait(3 * time.Hour)
		const reason = "the API returned 400: bad"
		if got := r.states(); got != "failed:1" || !strings.Contains(r.reason(events.Failed), reason) {
			t.Errorf("after 3 h: %s: %s", got, r.reason(events.Failed))
		}
		if n := r.number(events.Anomaly); n > 0 {
			t.Errorf("%d claims were lost", n)
		}
	})
}

// A search of a window with more messages than the pages of an attempt show goes on with the next
// attempt, soon, and requests each page once.
func TestSearchOfManyMessages(t *testing.T) {
	t.Parallel()
	var pages atomic.Int32
	api := &tally{answer: func(c apiCall) reply {
		switch {
		case c.isPage():
			pages.Add(1)
			return reply{200, history(c, 20*time.Millisecond), ""} // 7550 messages in the window
		case c.nth == 1:
			return reply{0, "", ""}
		}
		return reply{400, `{"error":"bad"}`, ""}
	}}
	try(t, "{retry_initial: 1m}", api, 1, func(r *trial) {
		r.wait(5 * time.Minute)
		const reason = "the API returned 400: bad"
		if got := r.states(); got != "failed:1" || !strings.Contains(r.reason(events.Failed), reason) {
			t.Errorf("after five minutes: %s: %s", got, r.reason(events.Failed))
		}
		// Each page has a second that none before it had. The first attempt was too soon: the next one begins anew.
		if n := pages.Load(); n < 150 || n > 200 {
			t.Errorf("%d pages were requested", n)
		}
	})
}

// Credentials that pass GET but not POST: one message is tried after each probe, and
// the pause between them grows. The hold is announced once, and once more after an
// hour; what is tried again and again expires.
func TestCredentialsPassTheProbeAlone(t *testing.T) {
	t.Parallel()
	api := &tally{answer: func(c apiCall) reply {
		if c.method == http.MethodGet {
			return reply{200, `[]`, ""}
		}
		return reply{401, `{"error":"no scope"}`, ""}
	}}
	try(t, "{expire: 1h}", api, 40, func(r *trial) {
		r.wait(10 * time.Minute)
		if n := api.total(); n > 60 {
			t.Errorf("%d calls in ten minutes, want a few", n)
		}
		if held, released := r.number(events.Held), r.number(events.Released); held != 1 || released != 0 {
			t.Errorf("%d holds and %d releases were announced, want one hold", held, released)
		}
		if t.Failed() {
			return // twelve hours of a call each second take minutes
		}
		r.wait(12 * time.Hour)
		if held := r.number(events.Held); held != 2 {
			t.Errorf("%d holds were announced in 12 hours, want two", held)
		}
		if r.number(events.Failed) < 30 {
			t.Errorf("%d of 40 have expired", r.number(events.Failed))
		}
	})
}

// Credentials that send and may not search hold their team once: a send is tried before the search,
// and the search is one that failed from then on.
func TestSearchesDeniedAlone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 302} {
		api := &tally{answer: func(c apiCall) reply {
			switch {
			case c.isPage():
				return reply{status, `{"error":"no scope"}`, ""}
			case c.method == http.MethodGet:
				return reply{200, `[]`, ""}
			case c.Targets[0] != "to:u0@example.com":
				return reply{200, sentBody(c), ""}
			case c.nth == 1:
				return reply{0, "", ""}
			}
			return reply{400, `{"error":"bad"}`, ""}
		}}
		try(t, "{}", api, 1, func(r *trial) {
			r.wait(10 * time.Second)
			for _, to := range []string{"a", "b", "c"} {
				r.mail(to, "")
			}
			r.wait(2 * time.Hour)
			if got := r.states(); got != "deferred:1 sent:3" {
				t.Errorf("%d: %s", status, got)
			}
			if n := r.number(events.Held); n != 1 {
				t.Errorf("%d: %d holds were announced, want one", status, n)
			}
			if n := api.count(apiCall.isPage); n > 20 {
				t.Errorf("%d: %d searches in two hours, want a few", status, n)
			}
		})
	}
}

// An API that knows a local_id, and never lists its message, is asked ever more rarely.
func TestKnownAndNotListed(t *testing.T) {
	t.Parallel()
	api := &tally{answer: func(c apiCall) reply {
		if c.isPage() {
			return reply{200, `[]`, ""}
		}
		return reply{409, `{"error":"known"}`, ""}
	}}
	try(t, "{}", api, 1, func(r *trial) {
		r.wait(4 * time.Hour)
		if n := api.total(); n > 40 {
			t.Errorf("%d calls in four hours for one message, want a few an hour", n)
		}
		if got := r.states(); got != "deferred:1" {
			t.Error(got)
		}
	})
}

// The team is released when a send passes, and no sooner.
func TestHoldOfATeamEndsWithASend(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	api := &tally{answer: func(c apiCall) reply {
		switch {
		case c.method == http.MethodGet:
			return reply{200, `[]`, ""}
		case broken.Load():
			return reply{401, `{"error":"no scope"}`, ""}
		}
		return reply{200, sentBody(c), ""}
	}}
	try(t, "{}", api, 3, func(r *trial) {
		r.wait(20 * time.Minute)
		broken.Store(false)
		r.wait(10 * time.Minute)
		if got := r.states(); got != "sent:3" || r.number(events.Released) != 1 {
			t.Errorf("%s, released %d times", got, r.number(events.Released))
		}
	})
}

// An answer 429 shuts the whole team, and each one that follows halves its pace. That
// is announced once when it begins and once when it ends.
func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	var busy atomic.Bool
	busy.Store(true)
	api := &tally{answer: func(c apiCall) reply {
		if busy.Load() {
			return reply{429, `{"error":"rate"}`, "60"}
		}
		return reply{200, sentBody(c), ""}
	}}
	try(t, "{}", api, 60, func(r *trial) {
		r.wait(3 * time.Minute)
		if n := api.total(); n > 12 {
			t.Errorf("%d calls in three minutes, want a few each minute", n)
		}
		busy.Store(false)
		r.wait(time.Hour)
		if got := r.states(); got != "sent:60" {
			t.Errorf("after an hour without 429: %s", got)
		}
		if held, released := r.number(events.Held), r.number(events.Released); held != 1 || released != 1 {
			t.Errorf("announced %d times when it began and %d when it ended, want once each", held, released)
		}
	})
}

// After a single 429 the team goes on at half its pace, which comes back.
func TestPaceComesBack(t *testing.T) {
	t.Parallel()
	var later atomic.Bool // than the first call
	api := &tally{answer: func(c apiCall) reply {
		if !later.Swap(true) {
			return reply{429, `{}`, "10"}
		}
		return reply{200, sentBody(c), ""}
	}}
	try(t, "{}", api, 400, func(r *trial) {
		r.wait(10 * time.Second)
		before := r.number(events.Sent)
		r.wait(30 * time.Second)
		if n := r.number(events.Sent) - before; n < 20 || n > 32 {
			t.Errorf("sent %d in the first half minute, want about 26 at 50 a minute", n)
		}
		r.wait(6 * time.Minute)
		if got := r.states(); got != "sent:400" {
			t.Errorf("after seven minutes: %s", got)
		}
	})
}

// Pages of searches are calls like any other: no more begin in any minute than the
// rate allows, and at most two searches run at once.
func TestPagesAreWithinTheBudget(t *testing.T) {
	t.Parallel()
	api := &tally{slow: 100 * time.Millisecond, answer: func(c apiCall) reply {
		switch {
		case c.isPage():
			return reply{200, history(c, 50*time.Millisecond), ""}
		case c.nth == 1:
			return reply{408, `{}`, ""}
		}
		return reply{400, `{"error":"bad"}`, ""}
	}}
	try(t, "{}", api, 40, func(r *trial) {
		r.wait(4 * time.Minute)
		if n := api.count(apiCall.isPage); n < 200 {
			t.Errorf("%d pages: the test proves nothing", n)
		}
		if n := api.mostWithin(time.Minute); n > 100 {
			t.Errorf("%d calls began within a minute, the rate is 100", n)
		}
		if n := r.number(events.Anomaly); n > 0 {
			t.Errorf("%d claims were lost", n)
		}
	})
}

// At most two searches of a team run at once, however slow they are.
func TestTwoSearchesAtOnce(t *testing.T) {
	t.Parallel()
	api := &tally{slow: 5 * time.Second, answer: func(c apiCall) reply {
		switch {
		case c.isPage():
			return reply{200, `[]`, ""}
		case c.nth == 1:
			return reply{408, `{}`, ""}
		}
		return reply{400, `{"error":"bad"}`, ""}
	}}
	try(t, "{}", api, 20, func(r *trial) {
		r.wait(10 * time.Minute)
		if api.mostPages != 2 {
			t.Errorf("%d searches at once, want two", api.mostPages)
		}
	})
}

// Opt-outs among good mail fail, each for itself, and hold nothing.
func TestOptOuts(t *testing.T) {
	t.Parallel()
	const mails, each = 200, 20
	api := &tally{answer: func(c apiCall) reply {
		var n int
		if _, err := fmt.Sscanf(c.Targets[0], "to:u%d@", &n); err == nil && n%each == 0 {
			return reply{403, `{"error":"opted out"}`, ""}
		}
		return reply{200, sentBody(c), ""}
	}}
	try(t, "{}", api, mails, func(r *trial) {
		r.wait(time.Hour)
		want := fmt.Sprintf("failed:%d sent:%d", mails/each, mails-mails/each)
		if got := r.states(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if n := r.number(events.Held); n > 0 {
			t.Errorf("%d holds, the last one: %s", n, r.reason(events.Held))
		}
		if n := api.count(apiCall.isSend); n > mails+mails/each {
			t.Errorf("%d sends of %d messages: those that were refused are tried more than twice", n, mails)
		}
	})
}

// A retry_max under a minute shortens back-offs, but not the deliberate waits: a
// search is not repeated before the message can be listed.
func TestShortRetryMax(t *testing.T) {
	t.Parallel()
	for _, retryMax := range []string{"1h", "10s"} {
		api := &tally{answer: func(c apiCall) reply {
			switch {
			case c.isPage():
				return reply{200, `[]`, ""}
			case c.nth == 1:
				return reply{0, "", ""}
			}
			return reply{400, `{"error":"bad"}`, ""}
		}}
		try(t, "{retry_max: "+retryMax+"}", api, 1, func(r *trial) {
			r.wait(10 * time.Minute)
			if n := api.count(apiCall.isPage); n > 5 {
				t.Errorf("retry_max %s: %d searches, want a few", retryMax, n)
			}
			if got := r.states(); got != "failed:1" {
				t.Errorf("retry_max %s: %s", retryMax, got)
			}
		})
	}
}

// A held route gives a probe each few minutes, whatever retry_max is: a mistake that
// was corrected is noticed soon, and the API is not hammered until then.
func TestProbesOfARoute(t *testing.T) {
	t.Parallel()
	for _, retryMax := range []string{"1h", "10s"} {
		var broken atomic.Bool
		broken.Store(true)
		api := &tally{answer: func(c apiCall) reply {
			if broken.Load() {
				return reply{400, `{"error":"creator"}`, ""}
			}
			return reply{200, sentBody(c), ""}
		}}
		try(t, "{retry_max: "+retryMax+"}", api, 12, func(r *trial) {
			r.wait(time.Minute)
			before := api.count(apiCall.isSend)
			r.wait(time.Hour)
			if n := api.count(apiCall.isSend) - before; n < 11 || n > 13 {
				t.Errorf("retry_max %s: %d probes in an hour, want one each five minutes", retryMax, n)
			}
			broken.Store(false)
			r.wait(6 * time.Minute)
			if got := r.states(); got != "failed:10 sent:2" {
				t.Errorf("retry_max %s: %s", retryMax, got)
			}
		})
	}
}

// A 403 that passes by itself fails nobody and holds nothing.
func TestPassingRefusals(t *testing.T) {
	t.Parallel()
	api := &tally{answer: func(c apiCall) reply {
		if c.nth == 1 {
			return reply{403, `{"error":"firewall"}`, ""}
		}
		return reply{200, sentBody(c), ""}
	}}
	try(t, "{}", api, 3, func(r *trial) {
		r.wait(10 * time.Minute)
		if got := r.states(); got != "sent:3" || r.number(events.Held) > 0 {
			t.Errorf("%s, %d holds", got, r.number(events.Held))
		}
	})
}

// A fourth conversation that is refused holds the route, and a third does not.
func TestFourRefusalsHoldTheRoute(t *testing.T) {
	t.Parallel()
	for mails, want := range map[int]int{3: 0, 4: 1} {
		api := &tally{answer: func(apiCall) reply { return reply{403, `{"error":"no"}`, ""} }}
		try(t, "{}", api, mails, func(r *trial) {
			r.wait(30 * time.Minute)
			if got := r.number(events.Held); got != want {
				t.Errorf("%d conversations refused: %d holds, want %d", mails, got, want)
			}
		})
	}
}

// A conversation look-up without an inbox is not taken for a conversation that moved.
func TestLookUpWithoutInbox(t *testing.T) {
	t.Parallel()
	var odd atomic.Bool
	odd.Store(true)
	api := &tally{answer: func(c apiCall) reply {
		switch {
		case c.method == http.MethodGet && odd.Load():
			return reply{200, `{"id": 77, "channel": "email", "status": "open"}`, ""}
		case c.method == http.MethodGet:
			return reply{200, `{"id": 77, "inbox": 202, "channel": "email", "status": "open"}`, ""}
		case c.ConvoID != 0:
			return reply{400, `{"error":"bad body"}`, ""}
		}
		return reply{200, `{"id":9,"convo_id":77,"queued":true}`, ""}
	}}
	try(t, "{}", api, 1, func(r *trial) {
		r.wait(time.Minute)
		r.mail("u0", "u0")
		r.wait(time.Hour)
		if got := r.states(); got != "deferred:1 sent:1" {
			t.Errorf("while look-ups are odd: %s", got)
		}
		odd.Store(false)
		r.wait(2 * time.Hour)
		if got := r.states(); got != "failed:1 sent:1" {
			t.Errorf("once they are not: %s", got)
		}
		if n := api.count(func(c apiCall) bool { return c.isSend() && c.ConvoID == 0 }); n != 1 {
			t.Errorf("%d openers, want one", n)
		}
	})
}
