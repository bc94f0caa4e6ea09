package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"heyrelay/internal/sandbox"
	"heyrelay/test/process"
)

// small mounts a file system of its own that soon is full. That wants root: CI
// has it, and fails where it is not enough.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m,mode=0700")
	switch {
	case err != nil && os.Getenv("CI") == "true" && os.Geteuid() == 0:
		t.Fatalf("mount a tmpfs: %v", err)
	case err != nil:
		t.Skipf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// stuff fills a file system to its last byte and returns the file that does.
func stuff(t *testing.T, dir string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return f.Name()
}

// On a full disk it does not start, neither with a new spool nor with an old one, and says why.
func TestStartsFull(t *testing.T) {
	dir := small(t)
	r := newRelay(t, dir, "1B")
	const reason = "the spool has no space left"
	ballast := stuff(t, dir)
	if line := r.refuses(t); !strings.Contains(line, reason) {
		t.Errorf("a new spool: %s", line)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	r.start(t)
	r.Stop()
	stuff(t, dir)
	if line := r.refuses(t); !strings.Contains(line, reason) {
		t.Errorf("an old spool: %s", line)
	}
}

// Eight clients send while the disk fills to the last byte and is emptied again.
// Each message is answered 250 or 452; what was answered 250 is sent once,
// though the answers of the API that came meanwhile could not be written down; the
// relay goes on by itself.
func TestFull(t *testing.T) {
	dir := small(t)
	r := newRelay(t, dir, "1B")
	api := r.serveAPI(t, sandbox.Options{Latency: 300 * time.Millisecond})
	r.start(t)
	var clients senders
	for range 8 {
		clients.Go(func() { clients.run(t, r) })
	}
	awaitMore(t, &clients.accepted, 50)
	ballast := stuff(t, dir)
	awaitMore(t, &clients.refused, 50)
	r.Await("outcomes could not be recorded; will retry.*the spool has no space left")
	r.Await("refused.*Insufficient system storage.*the spool has no space left")
	before := clients.accepted.Load()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	awaitMore(t, &clients.accepted, before+50)
	clients.enough.Store(true)
	clients.Wait()
	arrived(t, api, int(clients.accepted.Load()))
	if s := api.Stats(); s.Repeated != 0 {
		t.Errorf("%d calls were made once more", s.Repeated)
	}
	r.ends(t)
	t.Logf("%d messages, %d times answered 452", clients.accepted.Load(), clients.refused.Load())
}

// senders are clients that send one message after the other.
type senders struct {
	sync.WaitGroup
	next, accepted, refused atomic.Int64
	enough                  atomic.Bool
}

// run is one of them, which hands over each message until it is accepted.
func (s *senders) run(t *testing.T, r *relay) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !s.enough.Load() {
		i := int(s.next.Add(1) - 1)
		for code := r.send(t, i); code != 250; code = r.send(t, i) {
			if code != 452 || t.Context().Err() != nil {
				t.Errorf("message %d was answered %d", i, code)
				return
			}
			s.refused.Add(1)
			<-again.C
		}
		s.accepted.Add(1)
	}
}

// awaitMore waits until a count exceeds n.
func awaitMore(t *testing.T, count *atomic.Int64, n int64) {
	t.Helper()
	process.Await(t, func() error {
		if now := count.Load(); now <= n {
			return fmt.Errorf("the count stays %d, want more than %d", now, n)
		}
		return nil
	})
}

// On a read-only file system nothing starts, in one clear line, and nothing that
// waits there is lost.
func TestReadOnly(t *testing.T) {
	dir := small(t)
	r := newRelay(t, dir, "1MB")
	r.start(t)
	r.sends(t, 0, 250)
	r.ends(t)
	remount(t, dir, syscall.MS_RDONLY)
	line := r.refuses(t)
	if !strings.Contains(line, "must be writable") || !strings.Contains(line, "read-only file system") {
		t.Errorf("it says %s", line)
	}
	remount(t, dir, 0)
	api := r.serveAPI(t, sandbox.Options{})
	r.start(t)
	arrived(t, api, 1)
	r.ends(t)
}

// A disk that refuses every write, as one does that failed and was made read-only
// under way: 452, a line that says so, and all goes on when it can be written again.
func TestUnwritable(t *testing.T) {
	process.Need(t, "prlimit")
	r := newRelay(t, t.TempDir(), "1MB")
	api := r.serveAPI(t, sandbox.Options{})
	r.start(t)
	r.sends(t, 0, 250)
	limit := func(size string) {
		out, err := exec.Command("prlimit", "--pid", strconv.Itoa(r.PID()), "--fsize="+size+":").CombinedOutput()
		if err != nil {
			t.Fatalf("prlimit: %v %s", err, out)
		}
	}
	limit("0")
	r.sends(t, 1, 452)
	r.Await("refused.*Insufficient system storage.*the spool cannot be written")
	limit("unlimited")
	r.sends(t, 1, 250)
	arrived(t, api, 2)
	r.ends(t)
}

// Below spool.min_free new mail waits with the client.
func TestMinFree(t *testing.T) {
	r := newRelay(t, t.TempDir(), "1000000GB")
	r.start(t)
	r.sends(t, 0, 452)
	r.Await(regexp.QuoteMeta("spool.min_free is 1"))
	r.ends(t)
}
