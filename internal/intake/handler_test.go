package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("test", []byte(text), func(string) (string, bool) { return "key", true })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const oneRoute = `
hostname: relay.example.com
teams: {shop: {api_key: "${KEY}"}}
routes: [{inbox: 202, creator_id: 55}]
`

func testPlanner(cfg *config.Config) planner {
	return newPlanner(cfg, func() string { return "L" }, nil)
}

// Every refusal has its code. An error that is not in the table gives a temporary
// reply that does not show it.
func TestRefuse(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%w: add one", errNoRoute), "550 5.7.1 no route for this message: add one (Q)"},
		{errNobody, "554 5.1.3 no valid recipients (Q)"},
		{errRecipient, "550 5.7.1 recipient not allowed (Q)"},
		{errBlind, "550 5.7.1 blind recipients not allowed (Q)"},
		{errTooMany, "554 5.5.3 too many visible recipients (Q)"},
		{errTooLarge, "552 5.3.4 message too large for the API (Q)"},
		{smtpd.ErrMessageMemory, "552 5.3.4 Converting the message takes too much memory (limits.in_flight) (Q)"},
		{smtpd.ErrAccountMemory, "452 4.7.1 Too many of your messages in progress, try again later (Q)"},
		{smtpd.ErrMemory, "452 4.3.1 Too many messages in progress, try again later (Q)"},
		{errLoop, "554 5.4.6 mail loop (Q)"},
		{errControl, "554 5.6.0 invalid header (Q)"},
		{spool.ErrConvo, "554 5.6.0 X-Heymarket-Convo-Id names a conversation with other participants " +
			"or of another inbox (Q)"},
		{spool.ErrKey, "554 5.6.0 X-Heymarket-Idempotency-Key was already used for a message with other recipients, " +
			"title or body; use a new key for each message (Q)"},
		{&mimeconv.Error{Kind: mimeconv.ErrTooLarge, Detail: "too large"}, "552 5.3.4 too large (Q)"},
		{&mimeconv.Error{Kind: mimeconv.ErrAttachment, Detail: "an attachment"}, "554 5.6.0 an attachment (Q)"},
		{fmt.Errorf("accept: %w", spool.ErrFull), "452 4.3.1 Insufficient system storage (Q)"},
		{fmt.Errorf("accept: %w", spool.ErrReadOnly), "452 4.3.1 Insufficient system storage (Q)"},
		{spool.ErrClosed, "421 4.3.2 Shutting down, try again later (Q)"},
		{fmt.Errorf("accept: %w", context.Canceled), "421 4.3.2 Shutting down, try again later (Q)"},
		{errors.New("secret inner text"), "451 4.3.0 Internal error, try again later (Q)"},
	} {
		r := refusal("Q", c.err)
		if got := fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestMailLoop(t *testing.T) {
	p := testPlanner(parse(t, oneRoute))
	env := &smtpd.Envelope{QueueID: "Q", From: "a@example.com", Rcpt: []string{"a@example.com"}}
	for hops, refused := range map[int]bool{50: false, 51: true} {
		raw := strings.Repeat("Received: from a by b\r\n", hops) + "Subject: x\r\n\r\nx\r\n"
		if _, err := p.plan(env, []byte(raw)); errors.Is(err, errLoop) != refused {
			t.Errorf("%d hops: %v", hops, err)
		}
	}
}

func TestMaxBody(t *testing.T) {
	p := testPlanner(parse(t, strings.Replace(oneRoute, `"${KEY}"`, `"${KEY}", max_body: 1KB`, 1)))
	env := &smtpd.Envelope{QueueID: "Q", From: "a@example.com", Rcpt: []string{"a@example.com"}}
	size := func(words int) (*Plan, error) {
		return p.plan(env, []byte("Subject: x\r\n\r\n"+strings.Repeat("word ", words)+"\r\n"))
	}
	_, err := size(300)
	if !errors.Is(err, errTooLarge) || !strings.Contains(err.Error(), "teams.shop.max_body") {
		t.Errorf("error %v", err)
	}
	words := 0
	for plan, err := size(1); err == nil; plan, err = size(words + 1) {
		words++
		if n := len(plan.Message.HTML) + len(plan.Message.Text); n > 1000 {
			t.Fatalf("both bodies have %d bytes", n)
		}
	}
	plan, err := size(words)
	if err != nil || len(plan.Message.HTML)+len(plan.Message.Text) < 980 {
		t.Errorf("%d words are refused, %d fit: %v", words+1, words, err)
	}
}

// What conversion makes is charged: more than there is ever room for is refused permanently, more
// than there is now for a time.
func TestConversionIsCharged(t *testing.T) {
	p := testPlanner(parse(t, oneRoute))
	raw := []byte("Subject: x\r\n\r\n" + strings.Repeat("word ", 300) + "\r\n")
	for code, full := range map[int]error{552: smtpd.ErrMessageMemory, 452: smtpd.ErrMemory} {
		left := int64(2000)
		env := &smtpd.Envelope{QueueID: "Q", From: "a@example.com", Rcpt: []string{"a@example.com"}}
		env.Reserve = func(n int64) error {
			left -= n
			if left < 0 {
				return full
			}
			return nil
		}
		_, err := p.plan(env, raw)
		if reply := refusal("Q", err); !errors.Is(err, full) || reply.Code != code {
			t.Errorf("%v: %+v, want %d", err, reply, code)
		}
	}
}

func TestFirstRouteThatMatches(t *testing.T) {
	p := planner{cfg: parse(t, `
teams: {shop: {api_key: "${KEY}"}}
routes:
  - {name: both, inbox: 1, creator_id: 1, match: {sender: "*@example.com", client: 10.0.0.0/8}}
  - {name: from, inbox: 2, creator_id: 1, match: {from: boss@example.com}}
  - {name: null-sender, inbox: 3, creator_id: 1, match: {sender: "<>"}}
`)}
	for _, c := range []struct{ client, sender, from, want string }{
		{"10.1.2.3", "a@example.com", "", "both"},
		{"192.0.2.1", "a@example.com", "", ""},
		{"192.0.2.1", "a@example.com", "boss@example.com", "from"},
		{"192.0.2.1", "", "", "null-sender"},
	} {
		h := mimeconv.Header{From: []mimeconv.Address{{Addr: c.from}}}
		r, err := p.route(&smtpd.Envelope{Client: netip.MustParseAddr(c.client), From: c.sender}, &h)
		name := ""
		if err == nil {
			name = r.Name
		}
		if name != c.want {
			t.Errorf("%+v: route %q, %v", c, name, err)
		}
	}
}

func TestQueueIDsSortByTime(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	a, b := QueueID(now, rand.Reader), QueueID(now.Add(time.Millisecond), bytes.NewReader(make([]byte, 4)))
	if len(a) != 16 || a >= b {
		t.Errorf("%s and %s", a, b)
	}
}

// A key of the application identifies one message of a scope, and never equals the
// fingerprint of content.
func TestKeyFingerprint(t *testing.T) {
	key := keyFingerprint("shop/202", "17")
	for _, other := range [][2]string{{"shop/203", "17"}, {"shop/202", "18"}, {"shop/20", "217"}} {
		if key == keyFingerprint(other[0], other[1]) {
			t.Errorf("%q identifies the same message", other)
		}
	}
	if key == fingerprint("shop/202", "17", nil, nil) {
		t.Error("a key equals content")
	}
}

// The keys of a message are bounded however many recipients and ids it has, since each
// costs a statement of the only writer. A mail with few recipients keeps all its ids.
func TestKeysAreBounded(t *testing.T) {
	p := testPlanner(parse(t, oneRoute))
	var references strings.Builder
	for i := range 150 {
		fmt.Fprintf(&references, " <%d@example.com>\r\n", i)
	}
	raw := "Message-ID: <me@example.com>\r\nIn-Reply-To: <149@example.com>\r\n" +
		"References:" + references.String() + "\r\nx\r\n"
	for recipients, most := range map[int]int{1: 350, 5: 1750, 100: 2200, 2000: 12 * 2000} {
		env := &smtpd.Envelope{QueueID: "Q", From: "a@example.com"}
		for i := range recipients {
			env.Rcpt = append(env.Rcpt, fmt.Sprintf("r%d@example.com", i))
		}
		plan, err := p.plan(env, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		keys := 0
		for _, r := range plan.Message.Requests {
			keys += len(r.Lookup) + len(r.Own) + len(r.Cited)
			if r.LookupNames[0] != "In-Reply-To: 149@example.com" || len(r.LookupNames) != len(r.Lookup) {
				t.Fatalf("%d recipients: lookup names %q", recipients, r.LookupNames)
			}
		}
		if keys > most {
			t.Errorf("%d recipients: %d keys, want at most %d", recipients, keys, most)
		}
		if recipients <= 5 && len(plan.Message.Requests[0].Lookup) < 151 {
			t.Errorf("%d recipients: %d ids looked up, want all", recipients, len(plan.Message.Requests[0].Lookup))
		}
	}
}

// A burst of messages is planned a few at a time, so that memory is bounded by them.
func TestPlansAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 100
		var planning atomic.Int32
		free := make(chan struct{})
		h := New(Options{
			Config: parse(t, oneRoute),
			Turns:  NewTurns(),
			NewLocalID: func() string {
				planning.Add(1)
				<-free
				return "L"
			},
		})
		var all sync.WaitGroup
		for range messages {
			all.Go(func() {
				env := &smtpd.Envelope{QueueID: "Q", From: "a@example.com", Rcpt: []string{"a@example.com"}}
				if _, err := h.plan(t.Context(), env, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if n, most := int(planning.Load()), max(2, runtime.GOMAXPROCS(0)); n != most {
			t.Errorf("%d messages are planned at a time, want %d", n, most)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := h.plan(ended, nil, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that is gone waits: %v", err)
		}
		close(free)
		all.Wait()
	})
}

// recorder keeps the kinds of what is recorded.
type recorder []events.Kind

func (r *recorder) Record(e events.Event) { *r = append(*r, e.Kind) }

// A client that goes away within a message is no error of heyrelay: nobody must be alerted.
func TestSessionEvents(t *testing.T) {
	var got recorder
	h := New(Options{Config: parse(t, oneRoute), Sink: &got, Now: time.Now})
	h.RecordSession(smtpd.Event{Lost: true, Err: io.EOF})
	h.RecordSession(smtpd.Event{Debug: true})
	h.RecordSession(smtpd.Event{Code: 554})
	h.RecordSession(smtpd.Event{Code: 421, Err: errors.New("panic")})
	h.RecordSession(smtpd.Event{Closed: true, Err: errors.New("a handshake failed")})
	want := recorder{events.Lost, events.Detail, events.Refused, events.Error, events.Refused}
	if !slices.Equal(got, want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
}

// The event of a refusal has the status code by which metrics separate our faults from those of clients.
func TestRefusalsHaveStatusCodes(t *testing.T) {
	var got statusCodes
	h := New(Options{Config: parse(t, oneRoute), Sink: &got, Now: time.Now})
	h.refuse(&smtpd.Envelope{QueueID: "Q"}, nil, spool.ErrFull)
	h.RecordSession(smtpd.Event{Code: 452, Enhanced: "4.7.1"})
	if want := (statusCodes{"4.3.1", "4.7.1"}); !slices.Equal(got, want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
}

// statusCodes is a sink that keeps those of events.
type statusCodes []string

// Record implements events.Sink.
func (s *statusCodes) Record(e events.Event) { *s = append(*s, e.Enhanced) }

// A Message-ID that is used again for another content is counted, and a lane that is held for a mail
// loop is an event for the webhook; a repeat is neither.
func TestRemarkableMessages(t *testing.T) {
	for _, c := range []struct {
		receipt          spool.Receipt
		kinds, published string
	}{
		{spool.Receipt{}, "[accepted]", "[]"},
		{spool.Receipt{SameID: true}, "[accepted anomaly]", "[]"},
		{spool.Receipt{SameID: true, Looping: true}, "[accepted anomaly]", "[held]"},
		{spool.Receipt{SameID: true, Looping: true, Duplicate: true}, "[duplicate]", "[]"},
	} {
		var recorded, published recorder
		f := newFiles(t)
		f.accept = func(*spool.Message) (spool.Receipt, error) { return c.receipt, nil }
		f.o.Sink = &recorded
		f.o.Publish = func(_ context.Context, e events.Event) { published.Record(e) }
		env := &smtpd.Envelope{QueueID: "Q", From: "a@example.com", Rcpt: []string{"a@example.com"}}
		reply := f.Handle(t.Context(), env, []byte("To: a@example.com\r\nSubject: x\r\n\r\nx\r\n"))
		if got := fmt.Sprint(recorded); reply.Code != 250 || got != c.kinds || fmt.Sprint(published) != c.published {
			t.Errorf("%+v: %d, recorded %s, published %v", c.receipt, reply.Code, got, published)
		}
	}
}

// What is a repeat: for how long, and whether only if the 250 did not arrive.
func TestDuplicateWindow(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		id      bool
		date    time.Duration // of the message, from now; 0: it has none
		keyed   bool
		longest time.Duration
		want    time.Duration // 0: nothing is a repeat
		weak    bool
	}{
		{"id and date", true, -time.Minute, false, 5 * day, 5 * day, false},
		{"a date of last week", true, -7 * day, false, 5 * day, 5 * day, false},
		{"an older date", true, -7*day - time.Second, false, 5 * day, 10 * time.Minute, false},
		{"a date of next week", true, 7 * day, false, 5 * day, 5 * day, false},
		{"a later date", true, 7*day + time.Second, false, 5 * day, 10 * time.Minute, false},
		{"an id alone", true, 0, false, 5 * day, 10 * time.Minute, false},
		{"a date alone", false, -time.Minute, false, 5 * day, 10 * time.Minute, true},
		{"neither", false, 0, false, 5 * day, 10 * time.Minute, true},
		{"a key", false, 0, true, 5 * day, 5 * day, false},
		{"a short window", true, -time.Minute, false, hour, hour, false},
		{"a window of a minute", true, 0, false, time.Minute, time.Minute, false},
		{"no window", true, -time.Minute, false, 0, 0, false},
		{"no window for keys", false, 0, true, 0, 0, false},
	} {
		h := mimeconv.Header{HasMessageID: c.id}
		if c.date != 0 {
			h.Date = now.Add(c.date)
		}
		want := now.Add(-c.want)
		if c.want == 0 {
			want = time.Time{}
		}
		since, weak := duplicateWindow(now, &h, c.keyed, c.longest)
		if !since.Equal(want) || weak != c.weak {
			t.Errorf("%s: since %v, weak %t; want %v, %t", c.name, since, weak, want, c.weak)
		}
	}
}

// A header may name as many recipients as an envelope, and no more.
func TestRecipientsOfAHeader(t *testing.T) {
	p := testPlanner(parse(t, `
limits: {recipients: 3}
teams: {shop: {api_key: "${KEY}"}}
routes: [{inbox: 202, creator_id: 55, recipients: headers, relay_mailbox: relay@example.com}]
`))
	env := &smtpd.Envelope{QueueID: "Q", From: "a@example.com", Rcpt: []string{"relay@example.com"}}
	for to, refused := range map[string]bool{"a@x.test, b@x.test": false, "a@x.test, b@x.test, c@x.test": true} {
		plan, err := p.plan(env, []byte("To: "+to+"\r\nBcc: hidden@x.test\r\nSubject: x\r\n\r\nx\r\n"))
		if refused != errors.Is(err, errCrowd) || !refused && (err != nil || len(plan.Message.Requests) != 2) {
			t.Errorf("%s and one more: %v", to, err)
		}
	}
}
