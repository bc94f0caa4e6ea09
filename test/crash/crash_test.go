package crash

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/test/process"
)

var (
	kills    = flag.Int("kills", 21, "how often the relay is killed, in all")
	messages = flag.Int("messages", 500, "how many messages are sent, in all")
	seed     = flag.Uint64("seed", 0, "of a run to repeat; 0 for a new one")
)

const (
	clients  = 8
	patience = 10 * time.Second // without any progress
)

// Each acknowledged message arrives exactly once, whenever the relay is killed,
// and no other arrives twice.
func TestKill(t *testing.T) {
	var all []string
	for n := range *kills {
		all = append(all, points[n%len(points)])
	}
	run(t, *messages, all).wantKills(points)
}

// I8: killed between the API's 200 and our commit, the relay sends the same
// local_id after the restart, and the API makes one message of both.
func TestI8(t *testing.T) {
	between := "after the answer, before it is recorded"
	k := run(t, *messages, []string{between, between, between})
	if repeated := k.sandbox.Stats().Repeated; k.count[between] != 3 || repeated == 0 {
		t.Errorf("%d kills, %d calls repeated a local_id", k.count[between], repeated)
	}
}

// run sends n messages while the relay is killed at one point after the other,
// and sees that each arrives once.
func run(t *testing.T, n int, at []string) *killer {
	t.Helper()
	k := newKiller(t, n)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(len(at)+2)*time.Minute)
	defer cancel()
	sending := k.sendAndKill(ctx, at)
	k.last(ctx, sending)
	k.compare()
	return k
}

// killer runs one relay after the other on one spool and one port.
type killer struct {
	t            *testing.T
	messages     int
	acknowledged atomic.Int64
	sandbox      *sandbox.Sandbox
	dir          string
	api, smtp    string
	next         string             // address of the next hop; "": mail goes to the API
	smarthost    string             // address of the smarthost; "": files are refused
	blobs        string             // the folder of files; "" for none
	content      func(i int) string // of a message, from behind its other fields
	random       *rand.Rand
	count        map[string]int // kills by point

	onAcknowledged func(i int) // after message i was; nil: nothing
}

// newKiller returns a killer whose relays get n messages, and serves their API.
func newKiller(t *testing.T, n int) *killer {
	t.Helper()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *seed)
	api := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return &killer{
		t: t, messages: n, sandbox: api, api: server.URL, dir: t.TempDir(), smtp: process.FreeAddress(t),
		random: rand.New(rand.NewPCG(*seed, 1)), count: map[string]int{},
		content: func(i int) string { return fmt.Sprintf("\r\nmail-%d.\r\n", i) },
	}
}

func (k *killer) start(ctx context.Context, point string, after int) *exec.Cmd {
	k.t.Helper()
	self, err := os.Executable()
	if err != nil {
		k.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), "CRASH_SMTP="+k.smtp, "CRASH_API="+k.api, "CRASH_DIR="+k.dir,
		"CRASH_NEXT="+k.next, "CRASH_SMARTHOST="+k.smarthost, "CRASH_BLOBS="+k.blobs, "CRASH_POINT="+point,
		fmt.Sprintf("CRASH_AFTER=%d", after))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	return cmd
}

// run starts a relay that is to die at point, and waits until it does. Where no mail is left that could bring it
// there, it gets a SIGTERM. It reports whether mail is left for the next.
func (k *killer) run(ctx context.Context, point string) bool {
	passes := 12
	if many[point] {
		passes = 3
	}
	cmd := k.start(ctx, point, 1+k.random.IntN(passes))
	idle := time.AfterFunc(patience, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer idle.Stop()
	_ = cmd.Wait() // its status says how it ended
	if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() && s.Signal() == syscall.SIGKILL {
		k.count[point]++
		return true
	}
	k.t.Logf("not killed %s: %v, with %d of %d messages acknowledged",
		point, cmd.ProcessState, k.acknowledged.Load(), k.messages)
	return k.acknowledged.Load() < int64(k.messages)
}

// last runs a relay that lives until everything was sent, or until nothing more is, and returns its spool.
func (k *killer) last(ctx context.Context, sending *sync.WaitGroup) *sqlite.Store {
	cmd := k.start(ctx, "", 0)
	sending.Wait()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	sent, since := 0, time.Now()
	for (sent < k.messages || !k.serves()) && time.Since(since) < patience {
		<-tick.C
		if n := len(k.sandbox.Messages()); n > sent {
			sent, since = n, time.Now()
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		k.t.Errorf("the last relay: %v", err)
	}
	return k.store()
}

// store opens what the last relay left, for the rest of the test, and sees that it is sound.
func (k *killer) store() *sqlite.Store {
	k.t.Helper()
	store, err := sqlite.Open(context.Background(), filepath.Join(k.dir, "spool.db"), sqlite.Options{})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { store.Close() })
	if err := store.Check(context.Background()); err != nil {
		k.t.Error(err)
	}
	return store
}

// wantKills sees that a relay was killed at each of these points.
func (k *killer) wantKills(at []string) {
	k.t.Helper()
	for _, p := range at {
		k.t.Logf("%3d kills %s", k.count[p], p)
		if k.count[p] == 0 {
			k.t.Errorf("never killed %s", p)
		}
	}
}

// sendAndKill delivers all messages, by a number of clients at a time, while the relay is killed at one
// point after the other. The caller waits for the clients.
func (k *killer) sendAndKill(ctx context.Context, at []string) *sync.WaitGroup {
	var sending sync.WaitGroup
	for c := range clients {
		sending.Go(func() {
			for i := c; i < k.messages; i += clients {
				if !k.deliver(ctx, i) {
					continue
				}
				k.acknowledged.Add(1)
				if k.onAcknowledged != nil {
					k.onAcknowledged(i)
				}
			}
		})
	}
	for _, point := range at {
		if !k.run(ctx, point) {
			break
		}
	}
	return &sending
}

// serves reports whether the relay is up, and so would notice a SIGTERM.
func (k *killer) serves() bool {
	c, err := smtp.Dial(k.smtp)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// deliver hands over message i as an application would: again and again, until
// it is acknowledged. It reports whether it was. Half of the messages are replies to the one before.
func (k *killer) deliver(ctx context.Context, i int) bool {
	to := fmt.Sprintf("c%d@example.com", i%clients)
	text := fmt.Sprintf("To: <%s>\r\nSubject: Mail\r\nMessage-ID: <%d@crash>\r\nDate: %s\r\n",
		to, i, time.Now().Format(time.RFC1123Z))
	if i/clients%2 == 1 {
		text += fmt.Sprintf("In-Reply-To: <%d@crash>\r\n", i-clients)
	}
	text += k.content(i)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for ctx.Err() == nil {
		if smtp.SendMail(k.smtp, nil, "app@example.com", []string{to}, []byte(text)) == nil {
			return true
		}
		<-again.C
	}
	return false
}

// texts are the text bodies that the sandbox has.
func (k *killer) texts() (all []string) {
	k.t.Helper()
	for _, m := range k.sandbox.Messages() {
		var r struct {
			RawText string `json:"raw_text"`
		}
		if err := json.Unmarshal(m.Request, &r); err != nil {
			k.t.Fatal(err)
		}
		all = append(all, r.RawText)
	}
	return all
}

// compare sees that the sandbox has each message once.
func (k *killer) compare() {
	got := map[string]int{}
	for _, text := range k.texts() {
		got[strings.TrimSpace(text)]++
	}
	for i := range k.messages {
		if n := got[fmt.Sprintf("mail-%d.", i)]; n != 1 {
			k.t.Errorf("message %d arrived %d times", i, n)
		}
	}
	if s := k.sandbox.Stats(); s.Conflicts > 0 {
		k.t.Errorf("%d calls repeated a local_id with another body", s.Conflicts)
	}
}
