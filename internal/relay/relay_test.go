package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("test", []byte(text), func(string) (string, bool) { return sandbox.DemoAPIKey, true })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func open(t testing.TB) spool.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "spool.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(store.Check(context.Background()), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return store
}

const oneRoute = `
hostname: relay.example.com
listeners: [{address: "127.0.0.1:0"}]
teams: {shop: {api_key: "${KEY}"}}
routes: [{inbox: 202, creator_id: 55}]
`

// sink hands events of a kind to a test.
type sink struct {
	kind events.Kind
	got  chan events.Event
}

func (s sink) Record(e events.Event) {
	if e.Kind == s.kind {
		s.got <- e
	}
}

// A mail by real SMTP is answered with its queue id, arrives, and Run ends when
// it is told to.
func TestRun(t *testing.T) {
	api := sandbox.New(sandbox.Options{})
	sent := sink{events.Sent, make(chan events.Event, 1)}
	g, err := New(parse(t, oneRoute), Parts{Store: open(t), Sink: sent, Transport: api, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	text := "To: alice@example.com\r\nSubject: Hello\r\n\r\nHi.\r\n"
	if err := smtp.SendMail(g.Addrs()[0].String(), nil, "app@example.com", []string{"alice@example.com"}, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if e := <-sent.got; e.Convo == 0 || len(e.QueueID) != 16 || e.Title != "Hello" {
		t.Errorf("sent %+v", e)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	if n := len(api.Messages()); n != 1 {
		t.Errorf("the API has %d messages", n)
	}
}

// A body goes after a day, what happened to it after a month, its ids after a
// year: then a reply opens anew.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), filepath.Join(dir, "spool.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		api := sandbox.New(sandbox.Options{})
		var later atomic.Int64 // a year of seconds would take its time even here
		now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
		ctx := t.Context()
		var g *Relay
		run := func() (stop func()) {
			if g, err = New(parse(t, oneRoute), Parts{Store: store, Sink: testLog{t}, Transport: api, Random: rand.Reader, Listen: nowhere, Now: now}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(ctx)
			var running sync.WaitGroup
			running.Go(func() { g.scheduler.Run(ctx) })
			running.Go(func() { g.prune(ctx) })
			return func() { cancel(); running.Wait() }
		}
		stop := run()
		pass := func(d time.Duration) {
			synctest.Wait() // for what is under way
			stop()          // a clock that is set while it runs is not trusted
			later.Add(int64(d))
			stop = run()
			<-time.After(15 * time.Minute)
		}
		mail := func(id, cites string) {
			env := &smtpd.Envelope{QueueID: id, From: "app@example.com", Rcpt: []string{"a@example.com"}, Received: now()}
			text := "To: a@example.com\r\nSubject: x\r\nMessage-ID: <" + id + "@app>\r\nIn-Reply-To: <" + cites + "@app>\r\n\r\nx\r\n"
			if r := g.Handle(ctx, env, []byte(text)); r.Code != 250 {
				t.Fatalf("%d %s", r.Code, r.Text)
			}
		}
		known := func(id string) bool {
			_, err := store.Show(ctx, id)
			return !errors.Is(err, spool.ErrNotFound)
		}
		const day = 24 * time.Hour
		mail("Q1", "none")
		pass(29 * day)
		if !known("Q1") {
			t.Error("after 29 days nobody knows what happened to it")
		}
		mail("Q2", "Q1") // keeps the conversation
		pass(3 * day)
		if known("Q1") || !known("Q2") {
			t.Errorf("after 32 days: the first is known: %v, the second: %v", known("Q1"), known("Q2"))
		}
		pass(370 * day)
		mail("Q3", "Q1")
		pass(0)
		stop()
		all := api.Messages()
		if len(all) != 3 || all[0].ConvoID != all[1].ConvoID || all[2].ConvoID == all[0].ConvoID {
			t.Errorf("conversations of %+v", all)
		}
		if err := errors.Join(store.Check(context.Background()), store.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	two := strings.Replace(oneRoute, `[{address: "127.0.0.1:0"}]`, fmt.Sprintf(`[{address: "127.0.0.1:0"}, {address: %q}]`, taken.Addr()), 1)
	_, err = New(parse(t, two), Parts{Store: open(t), Sink: events.Sinks{}, Random: rand.Reader})
	if err == nil || !strings.Contains(err.Error(), "listeners[1]") || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("error %v", err)
	}
}

// A store that cannot write is told to nobody but the log.
func TestStoreTroubleIsTemporary(t *testing.T) {
	store := open(t)
	refused := sink{events.Refused, make(chan events.Event, 1)}
	g, err := New(parse(t, oneRoute), Parts{Store: failing{store}, Sink: refused, Random: rand.Reader, Listen: nowhere})
	if err != nil {
		t.Fatal(err)
	}
	env := &smtpd.Envelope{QueueID: "Q", From: "app@example.com", Rcpt: []string{"a@example.com"}, Received: time.Now()}
	r := g.Handle(t.Context(), env, []byte("Subject: x\r\n\r\nx\r\n"))
	if r.Code != 451 || strings.Contains(r.Text, "inner") {
		t.Errorf("%d %s", r.Code, r.Text)
	}
	if e := <-refused.got; e.Err == nil || !strings.Contains(e.Err.Error(), "inner") || e.QueueID != "Q" {
		t.Errorf("the log has %+v", e)
	}
}

type failing struct{ spool.Store }

func (failing) Accept(context.Context, *spool.Message) (spool.Receipt, error) {
	return spool.Receipt{}, errors.New("inner trouble")
}

func ExampleExplain() {
	cfg, err := config.Parse("example", []byte(oneRoute), func(string) (string, bool) { return "key", true })
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		return
	}
	env := &smtpd.Envelope{QueueID: "Q1", From: "app@example.com", Rcpt: []string{"alice@example.com"}, Received: time.Unix(0, 0)}
	e := Explain(cfg, env, []byte("To: alice@example.com\r\nSubject: Hello\r\nIn-Reply-To: <1@app>\r\n\r\nHi.\r\n"))
	fmt.Println(e.Requests[0].Targets, e.Requests[0].ConvTitle, e.Requests[0].Decision.Joins)
	// Output: [to:alice@example.com] Hello [In-Reply-To: 1@app]
}
