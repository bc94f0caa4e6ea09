package backlog_test

import (
	"errors"
	"flag"
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/test/backlog"
	"heyrelay/test/process"
)

var (
	waiting = flag.Int("waiting", 100_000, "how many requests wait in the large spool")
	large   = flag.String("spool", "", "file of the large spool: made where there is none, and kept")
)

const (
	few    = 1000    // wait in the small spool
	plenty = 1 << 40 // a rate that never makes anybody wait
)

// build makes a spool at path in which n requests wait, unless there is one.
func build(t testing.TB, path string, n int) {
	t.Helper()
	err := backlog.Build(t.Context(), path, backlog.Spool{Waiting: n, Team: "shop", Priority: spool.Normal})
	if err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
}

// TestBuild sees that what is measured is a spool as heyrelay makes it.
func TestBuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	build(t, path, few)
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	pending := []spool.State{spool.Queued, spool.Ready, spool.Deferred, spool.Held}
	list, err := s.List(t.Context(), spool.Filter{States: pending, Limit: 2 * few})
	if len(list) != few || err != nil {
		t.Errorf("%d wait (%v), want %d", len(list), err, few)
	}
}

// largeSpool is the file in which many wait.
func largeSpool(b *testing.B) string {
	path := *large
	if path == "" {
		path = filepath.Join(b.TempDir(), "large.db")
	}
	build(b, path, *waiting)
	return path
}

// BenchmarkWaiting claims and ends requests, by turns where few wait and where
// many do, and holds the costs of the two against each other.
func BenchmarkWaiting(b *testing.B) {
	path := filepath.Join(b.TempDir(), "small.db")
	build(b, path, few)
	small, large := open(b, path), open(b, largeSpool(b))
	for b.Loop() {
		small.step(b)
		large.step(b)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(small.perTask(), "ns/task,few")
	b.ReportMetric(large.perTask(), "ns/task,many")
	b.ReportMetric(large.perTask()/small.perTask(), "many/few")
	b.ReportMetric(large.opened.Seconds()*1000, "ms/open,many")
	b.ReportMetric(float64(m.HeapInuse)/(1<<20), "MB-heap")
}

// measured is a spool and what its claims cost.
type measured struct {
	*sqlite.Store
	opened, spent time.Duration
	tasks         int
}

func open(b *testing.B, path string) *measured {
	b.Helper()
	began := time.Now()
	limits := func() sqlite.Limits { return sqlite.Limits{MaxWait: time.Hour} }
	s, err := sqlite.Open(b.Context(), path, sqlite.Options{Limits: limits})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return &measured{Store: s, opened: time.Since(began)}
}

func (m *measured) perTask() float64 { return float64(m.spent) / float64(m.tasks) }

// step has 32 requests claimed and sent, and as many come anew, so that the same number
// waits.
func (m *measured) step(b *testing.B) {
	began := time.Now()
	tasks, _, err := m.Claim(b.Context(), began, time.Minute, spool.Capacity{Team: "shop", Rate: plenty, Free: 32})
	if err != nil || len(tasks) != 32 {
		b.Fatalf("claimed %d: %v", len(tasks), err)
	}
	var outcomes []spool.Outcome
	for _, t := range tasks {
		outcomes = append(outcomes, spool.Outcome{
			Task:      t,
			State:     spool.Sent,
			ConvoID:   t.Request,
			MessageID: t.Request,
			Status:    200,
		})
	}
	if _, err := m.Finish(b.Context(), began, outcomes...); err != nil {
		b.Fatal(err)
	}
	m.spent, m.tasks = m.spent+time.Since(began), m.tasks+len(tasks)
	m.refill(b, tasks)
}

// refill has a new message come for each task that was sent.
func (m *measured) refill(b *testing.B, tasks []*spool.Task) {
	var clients sync.WaitGroup
	for _, t := range tasks { // at once, so that they share a commit
		id := uuid.NewString()
		clients.Go(func() {
			_, err := m.Accept(b.Context(), &spool.Message{
				QueueID:  id,
				Accepted: time.Now(),
				Route:    t.Route,
				Team:     "shop",
				Inbox:    202,
				Title:    "Hello",
				HTML:     t.HTML,
				Text:     t.Text,
				Requests: []spool.Request{{
					LocalID:      id,
					To:           []string{"a@example.com"},
					Participants: "a@example.com",
					Priority:     spool.Normal,
				}},
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	clients.Wait()
}

const serveConfig = `
hostname: relay.example.com
listeners: [{address: %q}]
heymarket: {base_url: "http://127.0.0.1:9"}
teams: {shop: {api_key: key}}
routes: [{name: route-0001, inbox: 202, creator_id: 55}]
spool: {url: "sqlite:%s", min_free: 1MB}
`

// BenchmarkStart starts the binary where many wait, and measures the time until it
// greets a client, and the memory that it then has.
func BenchmarkStart(b *testing.B) {
	dir, binary := b.TempDir(), process.Build(b)
	config, address := filepath.Join(dir, "heyrelay.yaml"), process.FreeAddress(b)
	if err := os.WriteFile(config, fmt.Appendf(nil, serveConfig, address, largeSpool(b)), 0o600); err != nil {
		b.Fatal(err)
	}
	var peak int
	for b.Loop() {
		p := process.Start(b, binary, "serve", "-c", config)
		greeted(b, address)
		peak = max(peak, resident(b, p.PID()))
		if code := p.Stop(); code != 0 {
			b.Fatalf("exit code %d", code)
		}
	}
	b.ReportMetric(float64(peak)/1024, "MB-resident")
}

// greeted waits until somebody is greeted at an address.
func greeted(b *testing.B, address string) {
	b.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.After(time.Minute); ; {
		if c, err := smtp.Dial(address); err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-late:
			b.Fatal("nobody is greeted")
		}
	}
}

// resident is the memory of a process in KB, as Linux counts it.
func resident(b *testing.B, pid int) (kb int) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip(err)
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	if _, err := fmt.Sscan(after, &kb); err != nil {
		b.Fatal(err)
	}
	return kb
}
