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

// total is the number of calls.
func (a *tally) total() int { return a.count(func(apiCall) bool { return true }) }

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

// number returns how many events of a kind there were.
func (r *trial) number(k events.Kind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kinds[k]
}

// reason returns the reason of the newest event of a kind.
func (r *trial) reason(k events.Kind) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[k]
}

// trialConfig has a low rate: what matters are minutes at that rate, and not how many mails those are.
const trialConfig = `
hostname: relay.example.com
listeners: [{address: "127.0.0.1:0"}]
teams: {shop: {api_key: "${KEY}", rate: 100/min}}
routes: [{inbox: 202, creator_id: 55}]
`

// try runs a relay with keys of delivery in simulated time, hands it mails to
// different recipients, and lets work look at it.
func try(t *testing.T, keys string, api *tally, mails int, work func(r *trial)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		text := trialConfig + "delivery: " + keys + "\n"
		cfg, err := config.Parse("test", []byte(text), func(string) (string, bool) { return sandbox.DemoAPIKey, true })
		if err != nil {
			t.Fatal(err)
		}
		r := &trial{T: t, kinds: map[events.Kind]int{}, last: map[events.Kind]string{}}
		r.store, err = sqlite.Open(t.Context(), filepath.Join(dir, "spool.db"), sqlite.Options{
			Limits: func() sqlite.Limits { return sqlite.Limits{MaxWait: delivery.MaxWait(cfg.Delivery.RetryMax.Std())} },
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
