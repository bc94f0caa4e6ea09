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
	"syscall"
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
	store := openIn(t, t.TempDir())
	t.Cleanup(func() { closeSpool(t, store) })
	return store
}

// openIn opens a spool that the test closes, with closeSpool.
func openIn(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "spool.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func closeSpool(t testing.TB, store *sqlite.Store) {
	t.Helper()
	if err := errors.Join(store.Check(context.Background()), store.Close()); err != nil {
		t.Error(err)
	}
}

func envelope(queueID, rcpt string, received time.Time) *smtpd.Envelope {
	return &smtpd.Envelope{QueueID: queueID, From: "app@example.com", Rcpt: []string{rcpt}, Received: received}
}

// submit submits a message that is accepted.
func submit(t testing.TB, r *Relay, queueID, rcpt, text string) {
	t.Helper()
	if reply := r.Handle(t.Context(), envelope(queueID, rcpt, r.now()), []byte(text)); reply.Code != 250 {
		t.Fatalf("%d %s: %q", reply.Code, reply.Text, text)
	}
}

const oneRoute = `
hostname: relay.example.com
listeners: [{address: "127.0.0.1:0"}]
teams: {shop: {api_key: "${KEY}"}}
routes: [{inbox: 202, creator_id: 55}]
`

// sink sends events of one kind to a test.
type sink struct {
	kind events.Kind
	got  chan events.Event
}

func (s sink) Record(e events.Event) {
	if e.Kind == s.kind {
		s.got <- e
	}
}

// run runs a relay until it is stopped, at the latest by the end of the test.
func run(t *testing.T, r *Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// A mail sent by SMTP arrives at the API, and Run ends with its context.
func TestRun(t *testing.T) {
	api := sandbox.New(sandbox.Options{})
	sent := sink{events.Sent, make(chan events.Event, 1)}
	g, err := New(parse(t, oneRoute), Parts{Store: open(t), Sink: sent, Transport: api, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, g)
	text := []byte("To: alice@example.com\r\nSubject: Hello\r\n\r\nHi.\r\n")
	address := g.Addrs()[0].String()
	if err := smtp.SendMail(address, nil, "app@example.com", []string{"alice@example.com"}, text); err != nil {
		t.Fatal(err)
	}
	if e := <-sent.got; e.Convo == 0 || len(e.QueueID) != 16 || e.Title != "Hello" {
		t.Errorf("sent %+v", e)
	}
	stop()
	if n := len(api.Messages()); n != 1 {
		t.Errorf("the API has %d messages", n)
	}
}

// years is a relay in simulated time, whose clock can be set ahead by years.
type years struct {
	t     *testing.T
	store *sqlite.Store
	api   *sandbox.Sandbox
	ahead time.Duration
	relay *Relay
	stop  func()
}

// now is the relay's clock. It is set only while the relay does not run.
func (y *years) now() time.Time { return time.Now().Add(y.ahead) }

func (y *years) run() {
	r, err := New(parse(y.t, oneRoute), Parts{
		Store:     y.store,
		Sink:      testLog{y.t},
		Transport: y.api,
		Random:    rand.Reader,
		Listen:    nowhere,
		Now:       y.now,
	})
	if err != nil {
		y.t.Fatal(err)
	}
	y.relay = r
	ctx, cancel := context.WithCancel(y.t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.scheduler.Run(ctx) })
	running.Go(func() { r.prune(ctx) })
	y.stop = func() { cancel(); running.Wait() }
}

// pass restarts the relay later: a clock that is set while it runs is not trusted.
func (y *years) pass(d time.Duration) {
	synctest.Wait() // for running calls
	y.stop()
	y.ahead += d
	y.run()
	<-time.After(15 * time.Minute)
}

func (y *years) mail(id, cites string) {
	submit(y.t, y.relay, id, "a@example.com", "To: a@example.com\r\nSubject: x\r\n"+
		"Message-ID: <"+id+"@app>\r\nIn-Reply-To: <"+cites+"@app>\r\n\r\nx\r\n")
}

func (y *years) known(id string) bool {
	_, err := y.store.Show(y.t.Context(), id)
	return !errors.Is(err, spool.ErrNotFound)
}

// The history of a sent message is deleted after a month, the ids of its conversation
// after a year: then a reply opens a conversation.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		y := &years{t: t, store: openIn(t, dir), api: sandbox.New(sandbox.Options{})}
		y.run()
		const day = 24 * time.Hour
		y.mail("Q1", "none")
		y.pass(29 * day)
		if !y.known("Q1") {
			t.Error("after 29 days the history is gone")
		}
		y.mail("Q2", "Q1") // keeps the conversation
		y.pass(3 * day)
		if y.known("Q1") || !y.known("Q2") {
			t.Errorf("after 32 days: the first is known: %v, the second: %v", y.known("Q1"), y.known("Q2"))
		}
		y.pass(370 * day)
		y.mail("Q3", "Q1")
		y.pass(0)
		y.stop()
		all := y.api.Messages()
		if len(all) != 3 || all[0].ConvoID != all[1].ConvoID || all[2].ConvoID == all[0].ConvoID {
			t.Errorf("conversations of %+v", all)
		}
		closeSpool(t, y.store)
	})
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	second := fmt.Sprintf(`{address: "127.0.0.1:0"}, {address: %q}]`, taken.Addr())
	two := strings.Replace(oneRoute, `{address: "127.0.0.1:0"}]`, second, 1)
	_, err = New(parse(t, two), Parts{Store: open(t), Sink: events.Sinks{}, Random: rand.Reader})
	for _, part := range []string{"listeners[1]", "choose another address"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q", err, part)
		}
	}
}

// A listener that cannot be opened says what to do.
func TestListenerNotOpened(t *testing.T) {
	unix := strings.Replace(oneRoute, `"127.0.0.1:0"`, `"unix:/nowhere/smtp.sock"`, 1)
	for _, test := range []struct {
		text  string
		cause error
		want  string
	}{
		{oneRoute, syscall.EADDRNOTAVAIL, "; choose an address of this machine"},
		{oneRoute, syscall.EACCES, "; choose a port above 1023"},
		{unix, syscall.EACCES, "; let heyrelay's user write to its directory"},
	} {
		listen := func(string, string) (net.Listener, error) { return nil, os.NewSyscallError("bind", test.cause) }
		_, err := New(parse(t, test.text), Parts{Store: open(t), Sink: events.Sinks{}, Random: rand.Reader, Listen: listen})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// An error of the store is a temporary failure; only the log shows it.
func TestStoreErrorIsTemporary(t *testing.T) {
	store := open(t)
	refused := sink{events.Refused, make(chan events.Event, 1)}
	g, err := New(parse(t, oneRoute), Parts{Store: failing{store}, Sink: refused, Random: rand.Reader, Listen: nowhere})
	if err != nil {
		t.Fatal(err)
	}
	r := g.Handle(t.Context(), envelope("Q", "a@example.com", time.Now()), []byte("Subject: x\r\n\r\nx\r\n"))
	if r.Code != 451 || strings.Contains(r.Text, "inner") {
		t.Errorf("%d %s", r.Code, r.Text)
	}
	if e := <-refused.got; e.Err == nil || !strings.Contains(e.Err.Error(), "inner") || e.QueueID != "Q" {
		t.Errorf("the log has %+v", e)
	}
}

type failing struct{ spool.Store }

func (failing) Accept(context.Context, *spool.Message) (spool.Receipt, error) {
	return spool.Receipt{}, errors.New("inner error")
}

// A store that has failed ends the relay with its error, so that a supervisor starts another one. The client
// whose message the store did not accept is deferred.
func TestStoreFails(t *testing.T) {
	store := &lost{Store: open(t), failed: make(chan error, 1)}
	log := sink{events.Error, make(chan events.Event, 10)}
	r, err := New(parse(t, oneRoute), Parts{Store: store, Sink: log, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	text := []byte("To: alice@example.com\r\n\r\nHi.\r\n")
	err = smtp.SendMail(r.Addrs()[0].String(), nil, "app@example.com", []string{"alice@example.com"}, text)
	if err == nil || !strings.HasPrefix(err.Error(), "452 ") {
		t.Errorf("the client got %v, want 452", err)
	}
	if err := <-ended; !errors.Is(err, errLost) {
		t.Fatalf("Run ended with %v, want %v", err, errLost)
	}
	if e := <-log.got; !errors.Is(e.Err, errLost) {
		t.Errorf("the log has %+v", e)
	}
}

// lost is a store that fails with the first message.
type lost struct {
	spool.Store
	failed chan error
}

var errLost = fmt.Errorf("%w: the disk", spool.ErrReadOnly)

func (l *lost) Failed() <-chan error { return l.failed }

func (l *lost) Accept(context.Context, *spool.Message) (spool.Receipt, error) {
	l.failed <- errLost
	return spool.Receipt{}, errLost
}

func ExampleExplain() {
	cfg, err := config.Parse("example", []byte(oneRoute), func(string) (string, bool) { return "key", true })
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		return
	}
	text := []byte("To: alice@example.com\r\nSubject: Hello\r\nIn-Reply-To: <1@app>\r\n\r\nHi.\r\n")
	e := Explain(cfg, envelope("Q1", "alice@example.com", time.Unix(0, 0)), text)
	fmt.Println(e.Requests[0].Targets, e.Requests[0].ConvTitle, e.Requests[0].Decision.Joins)
	// Output: [to:alice@example.com] Hello [In-Reply-To: 1@app]
}
