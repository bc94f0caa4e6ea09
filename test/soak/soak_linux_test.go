package soak

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"heyrelay/internal/sandbox"
	"heyrelay/test/process"
)

var (
	lasting = flag.Duration("lasting", 10*time.Second, "how long everything goes on")
	seed    = flag.Uint64("seed", 0, "of the random choices; 0 for a new one")
)

const (
	inFlight    = 64 << 20
	memory      = 4 * inFlight     // that the relay may occupy
	longestLife = 20 * time.Second // of a relay, before it is killed
	grace       = 12 * time.Second // for a relay to stop: shutdown_timeout, and half of it
	patience    = 30 * time.Second // for a relay to do what it must
	drain       = 10 * time.Minute // for all pending mail at the end
)

const relayConfig = `
hostname: relay.example.com
listeners: [{address: "%[1]s", allow: [127.0.0.0/8]}]
limits: {in_flight: %[2]dB, message_size: 10MB, connections_per_address: 100}
heymarket: {base_url: "%[3]s", timeout: 5s}
teams: {shop: {secrets: [{id: %[4]s, key_file: key}], rate: 600000/min}}
routes:
  - {name: hostile, inbox: 203, creator_id: 55, attachments: drop, match: {sender: hostile@example.com}}
  - {name: mail, inbox: 202, creator_id: 55}
delivery: {retry_initial: 100ms, retry_max: 5s}
retention: {content: 1m}
spool: {url: "sqlite:%[5]s", min_free: 1MB}
log: {level: error}
`

// faults are what happens to one call in ten.
var faults = map[sandbox.Fault]float64{
	sandbox.TempError: .02, sandbox.Timeout: .01, sandbox.Unavailable: .005, sandbox.HTML200: .005,
	sandbox.DropBefore: .015, sandbox.DropAfter: .015, sandbox.HalfAnswer: .005, sandbox.LateError: .01,
	sandbox.Conflict: .005, sandbox.Slow: .002, sandbox.NoID: .002, sandbox.NotQueued: .002, sandbox.NoConvo: .001,
	sandbox.PermError: .002, sandbox.Gone: .001, sandbox.Moved: .001, sandbox.Denied: .001, sandbox.Throttle: .0005,
	sandbox.Huge: .0005, sandbox.Switching: .001, sandbox.Unauthorized: .0002, sandbox.Redirect: .0002,
}

// TestSoak: whatever happens at once, nothing that was acknowledged is lost, nothing
// arrives twice, the memory stays within its bound, and the spool is consistent.
func TestSoak(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with: go test ./test/soak -args -lasting %v -seed %d", *lasting, *seed)
	s := newSoak(t)
	s.start()
	s.until = time.Now().Add(*lasting)
	ctx, end := context.WithDeadline(t.Context(), s.until)
	defer end()
	var busy sync.WaitGroup
	s.apply(&busy)
	for n := range 4 {
		busy.Go(func() { s.hostile(ctx, n) })
	}
	busy.Go(func() { s.operate(ctx) })
	s.liveAndDie(ctx)
	busy.Wait()
	s.finish()
	s.compare()
	s.report()
}

// soak is one run.
type soak struct {
	t      *testing.T
	api    *sandbox.Sandbox
	binary string
	dir    string
	config string
	smtp   string

	until time.Time // when the applications stop
	relay *process.Process
	peak  int64 // most memory of any relay, in bytes

	mu    sync.Mutex
	sent  []int           // messages that were acknowledged
	took  []time.Duration // to acknowledge a message while a relay served
	count map[string]int
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{
		t: t,
		api: sandbox.New(sandbox.Options{
			Chance:     faults,
			Seed:       *seed,
			Slow:       time.Second,
			RetryAfter: 5 * time.Second, // without it, pauses grow to minutes, in which nothing happens
		}),
		binary: process.Build(t),
		dir:    t.TempDir(),
		smtp:   process.FreeAddress(t),
		count:  map[string]int{},
	}
	server := httptest.NewServer(s.api)
	t.Cleanup(server.Close)
	s.config = filepath.Join(s.dir, "heyrelay.yaml")
	text := fmt.Sprintf(relayConfig, s.smtp, inFlight, server.URL, sandbox.DemoSecretID, s.spool())
	key := filepath.Join(s.dir, "key")
	for file, content := range map[string]string{s.config: text, key: sandbox.DemoSecretKey} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *soak) spool() string { return filepath.Join(s.dir, "spool.db") }

// random returns random numbers that depend on the seed, and on who asks.
func (s *soak) random(who uint64) *rand.Rand { return rand.New(rand.NewPCG(*seed, who)) }

// add counts what happened.
func (s *soak) add(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[what]++
}

// limited returns the command that runs the relay under a hard limit of memory: of what it
// occupies where there is systemd, else of addresses, of which Go reserves more.
func (s *soak) limited() (name string, args []string) {
	serve := []string{s.binary, "serve", "-c", s.config}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		limit := fmt.Sprintf("MemoryMax=%d", memory)
		return "systemd-run", append([]string{"--quiet", "--scope", "-p", limit, "-p", "MemorySwapMax=0"}, serve...)
	}
	limit := strconv.Itoa(10 * memory >> 10)
	return "sh", append([]string{"-c", `ulimit -v "$0" && exec "$@"`, limit}, serve...)
}

// start starts a relay and waits until it serves.
func (s *soak) start() {
	s.t.Helper()
	name, args := s.limited()
	s.relay = process.Start(s.t, name, args...)
	process.AwaitPort(s.t, s.smtp)
}

// liveAndDie runs one relay after the other. Three in four are killed, the others stopped.
func (s *soak) liveAndDie(ctx context.Context) {
	random := s.random(0)
	longest := min(longestLife, *lasting/4)
	for ctx.Err() == nil {
		s.live(ctx, longest/10+time.Duration(random.Int64N(int64(longest))))
		if random.IntN(4) > 0 {
			s.relay.Kill()
			s.add("relays killed")
		} else {
			s.stop()
			s.add("relays stopped")
		}
		s.start()
	}
}

// stop ends the relay as an init system does.
func (s *soak) stop() {
	late := time.AfterFunc(grace, func() { s.relay.Signal(syscall.SIGQUIT) }) // prints all goroutines
	defer late.Stop()
	if code := s.relay.Stop(); code != 0 {
		s.t.Errorf("exit code %d after SIGTERM:\n%s", code, s.relay.Output())
	}
}

// live watches the memory of the relay for a time. Half-way, it must read its configuration again.
func (s *soak) live(ctx context.Context, life time.Duration) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end, reload := time.After(life), time.After(life/2)
	for {
		select {
		case <-tick.C:
			s.watch()
		case <-reload:
			s.relay.Signal(syscall.SIGHUP)
		case <-end:
			return
		case <-ctx.Done():
			return
		}
	}
}

// watch notes the peak memory of the relay, which must be alive.
func (s *soak) watch() {
	peak, alive := process.PeakMemory(s.t, s.relay.PID())
	if !alive {
		s.t.Fatalf("the relay has ended by itself:\n%s", s.relay.Output())
	}
	s.peak = max(s.peak, peak)
}

// finish lets the last relay send what is pending, and stops it.
func (s *soak) finish() {
	s.t.Helper()
	late := time.Now().Add(drain)
	for s.queue("list", "--json", "--limit", "1", "--state", "waiting") != "" {
		s.queue("release", "--all")
		s.queue("retry", "--state", "deferred", "--state", "held")
		if time.Now().After(late) {
			s.t.Errorf("pending after %v:\n%s", drain, s.queue("list", "--state", "waiting"))
			break
		}
		s.watch()
		<-time.After(time.Second)
	}
	s.stop()
}

// queue runs a queue command and returns what it printed.
func (s *soak) queue(args ...string) string {
	cmd := exec.Command(s.binary, append([]string{"queue", args[0], "-c", s.config}, args[1:]...)...)
	cmd.Env = process.Environment()
	out, err := cmd.CombinedOutput()
	if err != nil && !harmless.Match(out) {
		s.t.Errorf("queue %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// report prints the figures.
func (s *soak) report() {
	slices.Sort(s.took)
	if len(s.took) == 0 {
		s.t.Fatal("nothing was acknowledged")
	}
	s.t.Logf("%v: %d messages acknowledged, median %v, p99 %v, slowest %v",
		*lasting, len(s.sent), s.took[len(s.took)/2], s.took[len(s.took)*99/100], s.took[len(s.took)-1])
	s.t.Logf("peak memory %d MB, bound %d MB", s.peak>>20, memory>>20)
	if s.peak > memory {
		s.t.Errorf("the relay occupied %d MB", s.peak>>20)
	}
	var names []string
	for name := range s.count {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s.t.Logf("%6d %s", s.count[name], name)
	}
	s.t.Logf("the API: %+v", s.api.Stats())
}
