package relay

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

// tally is an API of a test's own, which notes its calls.
type tally struct {
	answer func(apiCall) reply
	slow   time.Duration // how long a page of the history takes

	mu        sync.Mutex
	calls     []apiCall
	pages     int // being read now
	mostPages int
}

// reply is what the API answers; status 0 is a connection that breaks.
type reply struct {
	status     int
	body       string
	retryAfter string
}

// apiCall is one call of the API.
type apiCall struct {
	at      time.Time
	method  string
	path    string
	nth     int      // call with this local_id, or of this path where there is none; from 1
	LocalID string   `json:"local_id"`
	Targets []string `json:"targets"`
	ConvoID int64    `json:"convo_id"`
	Date    string   `json:"date"`
}

func (c apiCall) isSend() bool { return strings.HasSuffix(c.path, "/email/send") }
func (c apiCall) isPage() bool { return strings.HasSuffix(c.path, "/messages/all") }

func (a *tally) RoundTrip(r *http.Request) (*http.Response, error) {
	var c apiCall
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_ = json.Unmarshal(body, &c) // a GET has none
	}
	c.at, c.method, c.path = time.Now(), r.Method, r.URL.Path
	a.mu.Lock()
	c.nth = 1
	for _, o := range a.calls {
		if o.path == c.path && o.LocalID == c.LocalID {
			c.nth++
		}
	}
	a.calls = append(a.calls, c)
	a.mu.Unlock()
	if err := a.read(r.Context(), c); err != nil {
		return nil, err
	}
	answer := a.answer(c)
	if answer.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if answer.retryAfter != "" {
		header.Set("Retry-After", answer.retryAfter)
	}
	return &http.Response{
		StatusCode: answer.status,
		Header:     header,
		Body:       io.NopCloser(strings.NewReader(answer.body)),
		Request:    r,
	}, nil
}

// read takes the time that a page takes.
func (a *tally) read(ctx context.Context, c apiCall) error {
	if !c.isPage() || a.slow == 0 {
		return nil
	}
	a.mu.Lock()
	a.pages++
	a.mostPages = max(a.mostPages, a.pages)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.pages--
	}()
	select {
	case <-time.After(a.slow):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// count counts the calls that match.
func (a *tally) count(match func(apiCall) bool) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.calls {
		if match(c) {
			n++
		}
	}
	return n
}

// mostWithin is the largest number of calls that began within d.
func (a *tally) mostWithin(d time.Duration) (most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := 0
	for i, c := range a.calls {
		for c.at.Sub(a.calls[first].at) > d {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// history is a page of a team that sends a message each gap, none of them ours.
func history(c apiCall, gap time.Duration) string {
	at, _ := time.Parse(time.RFC3339Nano, c.Date)
	var list []string
	for range 100 {
		at = at.Add(-gap)
		date := at.Format(time.RFC3339Nano)
		list = append(list, fmt.Sprintf(`{"id":%d,"local_id":"other","date":%q}`, at.UnixMilli(), date))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// sentBody is the answer to an accepted message.
func sentBody(c apiCall) string {
	return fmt.Sprintf(`{"id":%d,"convo_id":%d,"queued":true}`, c.at.UnixNano()+int64(c.nth), c.at.UnixNano())
}

// trial is a relay on a spool of its own before an API of the test's own.
type trial struct {
	*testing.T
	relay *Relay
	store *sqlite.Store
	kinds map[events.Kind]int
	last  map[events.Kind]string // reason of the newest event of a kind
	mu    sync.Mutex
}

func (r *trial) Record(e events.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds[e.Kind]++
	r.last[e.Kind] = e.Reason
	r.Logf("%s %s %s %s %v", e.Time.Format(time.TimeOnly), e.Kind, e.QueueID, e.Reason, e.Err)
}

// try runs a relay with keys of delivery in simulated time, hands it mails to
// different recipients, and lets work look at it.
func try(t *testing.T, keys string, api *tally, mails int, work func(r *trial)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		text := oneRoute + "delivery: " + keys + "\n"
		cfg, err := config.Parse("test", []byte(text), func(string) (string, bool) { return sandbox.DemoAPIKey, true })
		if err != nil {
			t.Fatal(err)
		}
		r := &trial{T: t, kinds: map[events.Kind]int{}, last: map[events.Kind]string{}}
		r.store, err = sqlite.Open(t.Context(), filepath.Join(dir, "spool.db"), sqlite.Options{
			MaxWait: delivery.MaxWait(cfg.Delivery.RetryMax.Std()),
		})
		if err != nil {
			t.Fatal(err)
		}
		r.relay, err = New(cfg, Parts{Store: r.store, Sink: r, Transport: api, Random: rand.Reader, Listen: nowhere})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { r.relay.scheduler.Run(ctx) })
		for i := range mails {
			r.mail(fmt.Sprintf("u%d", i), "")
		}
		work(r)
		stop()
		running.Wait()
		if err := r.store.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// mail hands over a message with an id of its own, citing another.
func (r *trial) mail(to, cites string) {
	r.Helper()
	env := &smtpd.Envelope{
		QueueID:  "Q-" + to + cites,
		Client:   netip.MustParseAddr("127.0.0.1"),
		Hello:    "app",
		From:     "app@example.com",
		Received: time.Now(),
		Rcpt:     []string{to + "@example.com"},
		DSN:      make([]smtpd.DSN, 1),
	}
	head := fmt.Sprintf("To: %s@example.com\r\nSubject: x\r\nMessage-ID: <%s%s@x>\r\n", to, to, cites)
	if cites != "" {
		head += "In-Reply-To: <" + cites + "@x>\r\n"
	}
	if reply := r.relay.Handle(r.Context(), env, []byte(head+"\r\nHello "+to+"\r\n")); reply.Code != 250 {
		r.Fatal(reply)
	}
}

// states counts the requests by state.
func (r *trial) states() string {
	list, err := r.store.List(r.Context(), spool.Filter{Limit: 20_000})
	if err != nil {
		r.Fatal(err)
	}
	n := map[string]int{}
	for _, e := range list {
		n[e.State]++
	}
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(n), "map["), "]")
}

// wait lets simulated time pass.
func (r *trial) wait(d time.Duration) { <-time.After(d) }

// A search that takes longer than a call may is given up before its lease ends, and
// counts as incomplete: the request expires in the end.
func TestSlowSearch(t *testing.T) {
	api := &tally{slow: 20 * time.Second, answer: func(c apiCall) reply {
		switch {
		case c.isPage():
			return reply{200, history(c, 60*time.Millisecond), ""}
		case c.nth == 1:
			return reply{0, "", ""}
		}
		return reply{400, `{"error":"bad"}`, ""}
	}}
	try(t, "{expire: 1h}", api, 1, func(r *trial) {
		r.wait(3 * time.Hour)
		const reason = "could not be searched to the end"
		if got := r.states(); got != "failed:1" || !strings.Contains(r.last[events.Failed], reason) {
			t.Errorf("after 3 h with expire 1h: %s: %s", got, r.last[events.Failed])
		}
		if n := r.kinds[events.Anomaly]; n > 0 {
			t.Errorf("%d claims were lost", n)
		}
	})
}

// Credentials that pass GET but not POST: one message is tried after each probe, and
// the pause between them grows. The hold is announced once, and once more after an
// hour; what is tried again and again expires.
func TestCredentialsPassTheProbeAlone(t *testing.T) {
	api := &tally{answer: func(c apiCall) reply {
		if c.method == http.MethodGet {
			return reply{200, `[]`, ""}
		}
		return reply{401, `{"error":"no scope"}`, ""}
	}}
	try(t, "{expire: 1h}", api, 40, func(r *trial) {
		r.wait(10 * time.Minute)
		if n := api.count(func(apiCall) bool { return true }); n > 60 {
			t.Errorf("%d calls in ten minutes, want a few", n)
		}
		if held, released := r.kinds[events.Held], r.kinds[events.Released]; held != 1 || released != 0 {
			t.Errorf("%d holds and %d releases were announced, want one hold", held, released)
		}
		r.wait(12 * time.Hour)
		if held := r.kinds[events.Held]; held != 2 {
			t.Errorf("%d holds were announced in 12 hours, want two", held)
		}
		if r.kinds[events.Failed] < 30 {
			t.Errorf("%d of 40 have expired", r.kinds[events.Failed])
		}
	})
}

// The team is released when a send passes, and no sooner.
func TestHoldOfATeamEndsWithASend(t *testing.T) {
	broken := true
	api := &tally{answer: func(c apiCall) reply {
		switch {
		case c.method == http.MethodGet:
			return reply{200, `[]`, ""}
		case broken:
			return reply{401, `{"error":"no scope"}`, ""}
		}
		return reply{200, sentBody(c), ""}
	}}
	try(t, "{}", api, 3, func(r *trial) {
		r.wait(20 * time.Minute)
		broken = false
		r.wait(10 * time.Minute)
		if got := r.states(); got != "sent:3" || r.kinds[events.Released] != 1 {
			t.Errorf("%s, released %d times", got, r.kinds[events.Released])
		}
	})
}

// An answer 429 shuts the whole team, and each one that follows halves its pace. That
// is announced once when it begins and once when it ends.
func TestTooManyCalls(t *testing.T) {
	busy := true
	api := &tally{answer: func(c apiCall) reply {
		if busy {
			return reply{429, `{"error":"rate"}`, "60"}
		}
		return reply{200, sentBody(c), ""}
	}}
	try(t, "{}", api, 300, func(r *trial) {
		r.wait(3 * time.Minute)
		if n := api.count(func(apiCall) bool { return true }); n > 12 {
			t.Errorf("%d calls in three minutes, want a few each minute", n)
		}
		busy = false
		r.wait(time.Hour)
		if got := r.states(); got != "sent:300" {
			t.Errorf("after an hour without 429: %s", got)
		}
		if held, released := r.kinds[events.Held], r.kinds[events.Released]; held != 1 || released != 1 {
			t.Errorf("announced %d times when it began and %d when it ended, want once each", held, released)
		}
	})
}

// After a single 429 the team goes on at half its pace, which comes back.
func TestPaceComesBack(t *testing.T) {
	first := true
	api := &tally{answer: func(c apiCall) reply {
		if first {
			first = false
			return reply{429, `{}`, "10"}
		}
		return reply{200, sentBody(c), ""}
	}}
	try(t, "{}", api, 2000, func(r *trial) {
		r.wait(10 * time.Second)
		before := r.kinds[events.Sent]
		r.wait(30 * time.Second)
		if n := r.kinds[events.Sent] - before; n < 110 || n > 150 {
			t.Errorf("sent %d in the first half minute, want about 130 at 250 a minute", n)
		}
		r.wait(6 * time.Minute)
		if got := r.states(); got != "sent:2000" {
			t.Errorf("after seven minutes: %s", got)
		}
	})
}

// Pages of searches are calls like any other: no more begin in any minute than the
// rate allows, and at most two searches run at once.
func TestPagesAreWithinTheBudget(t *testing.T) {
	api := &tally{slow: 200 * time.Millisecond, answer: func(c apiCall) reply {
		switch {
		case c.isPage():
			return reply{200, history(c, 50*time.Millisecond), ""}
		case c.nth == 1:
			return reply{408, `{}`, ""}
		}
		return reply{400, `{"error":"bad"}`, ""}
	}}
	try(t, "{}", api, 100, func(r *trial) {
		r.wait(10 * time.Minute)
		if n := api.count(apiCall.isPage); n < 500 {
			t.Errorf("%d pages: the test proves nothing", n)
		}
		if n := api.mostWithin(time.Minute); n > 500 {
			t.Errorf("%d calls began within a minute, the rate is 500", n)
		}
		if n := r.kinds[events.Anomaly]; n > 0 {
			t.Errorf("%d claims were lost", n)
		}
	})
}

// At most two searches of a team run at once, however slow they are.
func TestTwoSearchesAtOnce(t *testing.T) {
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
	const mails, each = 500, 50
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
		if n := r.kinds[events.Held]; n > 0 {
			t.Errorf("%d holds, the last one: %s", n, r.last[events.Held])
		}
		if n := api.count(apiCall.isSend); n > mails+mails/each {
			t.Errorf("%d sends of %d messages: those that were refused are tried more than twice", n, mails)
		}
	})
}

// A retry_max under a minute shortens back-offs, but not the deliberate waits: a
// search is not repeated before the message can be listed.
func TestShortRetryMax(t *testing.T) {
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
	for _, retryMax := range []string{"1h", "10s"} {
		broken := true
		api := &tally{answer: func(c apiCall) reply {
			if broken {
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
			broken = false
			r.wait(6 * time.Minute)
			if got := r.states(); got != "failed:10 sent:2" {
				t.Errorf("retry_max %s: %s", retryMax, got)
			}
		})
	}
}

// A 403 that passes by itself fails nobody and holds nothing.
func TestPassingRefusals(t *testing.T) {
	api := &tally{answer: func(c apiCall) reply {
		if c.nth == 1 {
			return reply{403, `{"error":"firewall"}`, ""}
		}
		return reply{200, sentBody(c), ""}
	}}
	try(t, "{}", api, 3, func(r *trial) {
		r.wait(10 * time.Minute)
		if got := r.states(); got != "sent:3" || r.kinds[events.Held] > 0 {
			t.Errorf("%s, %d holds", got, r.kinds[events.Held])
		}
	})
}

// A fourth conversation that is refused holds the route, and a third does not.
func TestFourRefusalsHoldTheRoute(t *testing.T) {
	for mails, want := range map[int]int{3: 0, 4: 1} {
		api := &tally{answer: func(apiCall) reply { return reply{403, `{"error":"no"}`, ""} }}
		try(t, "{}", api, mails, func(r *trial) {
			r.wait(30 * time.Minute)
			if got := r.kinds[events.Held]; got != want {
				t.Errorf("%d conversations refused: %d holds, want %d", mails, got, want)
			}
		})
	}
}

// A conversation look-up without an inbox is not taken for a conversation that moved.
func TestLookUpWithoutInbox(t *testing.T) {
	odd := true
	api := &tally{answer: func(c apiCall) reply {
		switch {
		case c.method == http.MethodGet && odd:
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
		odd = false
		r.wait(2 * time.Hour)
		if got := r.states(); got != "failed:1 sent:1" {
			t.Errorf("once they are not: %s", got)
		}
		if n := api.count(func(c apiCall) bool { return c.isSend() && c.ConvoID == 0 }); n != 1 {
			t.Errorf("%d openers, want one", n)
		}
	})
}
