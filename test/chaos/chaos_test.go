package chaos

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/relay"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

var (
	messages = flag.Int("messages", 1000, "how many messages are sent")
	lanes    = flag.Int("lanes", 100, "to how many conversations")
	seed     = flag.Uint64("seed", 0, "of a run to repeat; 0 for a new one")
)

const (
	routes       = 20
	lanePatience = 15 * time.Minute // of the relay
)

// faults are a fifth of all answers, of each kind that an answer can have.
var faults = map[sandbox.Fault]float64{
	sandbox.TempError: .02, sandbox.Timeout: .015, sandbox.Throttle: .02, sandbox.Unavailable: .02,
	sandbox.TooEarly: .005, sandbox.Teapot: .005,
	sandbox.HTML200: .01, sandbox.HTML403: .01, sandbox.Refused: .01, sandbox.DropBefore: .02, sandbox.DropAfter: .015,
	sandbox.HalfAnswer: .01, sandbox.LateError: .01, sandbox.Conflict: .005, sandbox.Slow: .003, sandbox.NoID: .003,
	sandbox.PermError: .002, sandbox.TooLarge: .001, sandbox.Unprocessed: .001, sandbox.Denied: .002,
	sandbox.Unauthorized: .001, sandbox.Redirect: .001,
	sandbox.NotQueued: .003, sandbox.NoConvo: .002, sandbox.Compliance: .001, sandbox.Foreign: .001,
	sandbox.Elsewhere: .001, sandbox.Gone: .002, sandbox.Moved: .001,
}

// TestMain chooses a seed for all tests.
func TestMain(m *testing.M) {
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	os.Exit(m.Run())
}

// TestFaults sends many messages while a fifth of the answers are faulty. Each arrives exactly once, or fails
// permanently and does not arrive; each conversation is in order, except for heads that left their lane; the
// spool is consistent.
func TestFaults(t *testing.T) {
	t.Parallel()
	t.Logf("repeat with: go test ./test/chaos -run TestFaults -args -seed %d -messages %d -lanes %d",
		*seed, *messages, *lanes)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		api := sandbox.New(sandbox.Options{Chance: faults, Seed: *seed})
		g, store := build(t, dir, configuration(), api, *seed)
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			if err := g.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		handed := make([]time.Time, *messages)
		for i := range *messages {
			hand(t, g, i)
			handed[i] = time.Now()
			<-time.After(100 * time.Millisecond) // ten a second
		}
		began := time.Now()
		for waiting(t, store) > 0 && time.Since(began) < 10*24*time.Hour {
			<-time.After(time.Minute)
		}
		t.Logf("%v of simulated time, %+v", time.Since(began), api.Stats())
		stop()
		running.Wait()
		count(t, store, api, handed)
		ledger(t, filepath.Join(dir, "spool.db"))
		if err := store.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func configuration() string {
	text := "hostname: relay.example.com\nteams: {shop: {api_key: \"${KEY}\", rate: 6000/min}}\nroutes:\n"
	for i := range routes {
		text += fmt.Sprintf("  - {name: r%d, inbox: 202, creator_id: 55, match: {sender: s%d@example.com}}\n", i, i)
	}
	return text
}

// build makes a relay that no client reaches but the test, on a spool in dir. The
// store is the caller's to close.
func build(t *testing.T, dir, configuration string, api *sandbox.Sandbox, seed uint64) (*relay.Relay, *sqlite.Store) {
	t.Helper()
	return buildAt(t, dir, configuration, api, seed, time.Now)
}

// buildAt is build with a clock of the test's.
func buildAt(
	t *testing.T, dir, configuration string, api *sandbox.Sandbox, seed uint64, now func() time.Time,
) (*relay.Relay, *sqlite.Store) {
	t.Helper()
	environment := func(string) (string, bool) { return sandbox.DemoAPIKey, true }
	cfg, err := config.Parse("chaos", []byte(configuration), environment)
	if err != nil {
		t.Fatal(err)
	}
	limits := sqlite.Limits{MaxWait: delivery.MaxWait(cfg.Delivery.RetryMax.Std())}
	options := sqlite.Options{Limits: func() sqlite.Limits { return limits }}
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "spool.db"), options)
	if err != nil {
		t.Fatal(err)
	}
	g, err := relay.New(cfg, relay.Parts{
		Now: now, Store: store, Sink: events.Sinks{}, Transport: api, Random: newChance(seed),
		Jitter: func() float64 { return 0.5 }, // so that a run can be repeated
		Listen: nowhere,
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, store
}

// chance is random numbers of a seed, for many goroutines.
type chance struct {
	mu     sync.Mutex
	source *rand.ChaCha8
}

func newChance(seed uint64) *chance {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return &chance{source: rand.NewChaCha8(key)}
}

func (c *chance) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source.Read(p)
}

// hand hands over message i, the next of its conversation.
func hand(t *testing.T, g *relay.Relay, i int) {
	t.Helper()
	lane, n := i%*lanes, i / *lanes
	to := fmt.Sprintf("c%d@example.com", lane)
	text := fmt.Sprintf("To: %s\r\nSubject: Mail\r\nMessage-ID: <%d.%d@chaos>\r\n", to, lane, n)
	if n > 0 {
		text += fmt.Sprintf("In-Reply-To: <%d.%d@chaos>\r\n", lane, n-1)
	}
	text += fmt.Sprintf("\r\n%d %d\r\n", lane, n)
	env := &smtpd.Envelope{
		QueueID: fmt.Sprintf("Q%d", i), Client: netip.MustParseAddr("127.0.0.1"), Received: time.Now(),
		From: fmt.Sprintf("s%d@example.com", lane%routes), Rcpt: []string{to},
	}
	if r := g.Handle(t.Context(), env, []byte(text)); r.Code != 250 {
		t.Fatalf("message %d: %d %s", i, r.Code, r.Text)
	}
}

func waiting(t *testing.T, r spool.Reader) int {
	t.Helper()
	states := []spool.State{spool.Queued, spool.Ready, spool.Deferred, spool.Active, spool.Held}
	open, err := r.List(t.Context(), spool.Filter{States: states, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// count holds what the API has against what the spool says.
func count(t *testing.T, r spool.Reader, api *sandbox.Sandbox, handed []time.Time) {
	t.Helper()
	arrived, last := map[string]int{}, map[int]int{}
	for _, m := range api.Messages() {
		var request struct {
			RawText string `json:"raw_text"`
		}
		if err := json.Unmarshal(m.Request, &request); err != nil {
			t.Fatal(err)
		}
		var lane, n int
		if _, err := fmt.Sscan(request.RawText, &lane, &n); err != nil {
			t.Fatalf("%q: %v", request.RawText, err)
		}
		i := n**lanes + lane
		arrived[fmt.Sprintf("Q%d", i)]++
		if m.Accepted.Sub(handed[i]) > lanePatience {
			continue // it may have left its lane
		}
		if n < last[lane] {
			t.Errorf("conversation %d: %d arrived after %d", lane, n, last[lane])
		}
		last[lane] = n
	}
	all, err := r.List(t.Context(), spool.Filter{Limit: len(handed) + 1})
	if err != nil {
		t.Fatal(err)
	}
	states, digest := map[string]int{}, fnv.New64a()
	for _, e := range all {
		states[e.State]++
		fmt.Fprintln(digest, e.QueueID, e.State)
		want := 1
		if e.State == spool.Failed.String() {
			want = 0
		}
		if arrived[e.QueueID] != want {
			to := strings.Join(e.To, " ")
			t.Errorf("%s is %s (%s) and arrived %d times", e.QueueID, e.State, to, arrived[e.QueueID])
		}
	}
	t.Logf("states %v, digest of the state of each request %x", states, digest.Sum64())
	if len(all) != len(handed) {
		t.Errorf("the spool has %d requests of %d", len(all), len(handed))
	}
}

// ledger checks that as many messages were accepted as ended.
func ledger(t *testing.T, path string) {
	t.Helper()
	o, err := sqlite.OpenOperator(path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	stats, err := o.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	accepted, sum := 0, map[string]int{}
	for _, r := range stats {
		accepted += r.Accepted
		for state, n := range r.States {
			sum[state] += n
		}
	}
	t.Logf("the ledger of %d routes: %d accepted, %v", len(stats), accepted, sum)
	ended := sum["sent"] + sum["flagged"] + sum["failed"] + sum["dropped"]
	if accepted != *messages || accepted != ended {
		t.Errorf("%d accepted of %d, %d have ended", accepted, *messages, ended)
	}
}

// nowhere opens listeners that nobody reaches.
func nowhere(string, string) (net.Listener, error) { return &deaf{closed: make(chan struct{})}, nil }

// unreachable is a smarthost that cannot be reached: reports stay pending.
func unreachable(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }

// deaf is a listener that nobody reaches.
type deaf struct {
	once   sync.Once
	closed chan struct{}
}

func (d *deaf) Accept() (net.Conn, error) { <-d.closed; return nil, net.ErrClosed }
func (d *deaf) Close() error              { d.once.Do(func() { close(d.closed) }); return nil }
func (d *deaf) Addr() net.Addr            { return &net.TCPAddr{} }
