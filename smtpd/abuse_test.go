//go:build unix

package smtpd

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"heyrelay/internal/passhash"
)

var abuse = flag.Bool("abuse", false, "run TestAbuse at full size")

// TestAbuse runs honest clients beside idle connections, connections that send a byte a
// second, and logins with wrong passwords: an honest message takes less than a second, or than
// the time of 20 hashes, which is longer on a machine that others use, and nothing is leaked.
// With -abuse the numbers are as high as the limit of open files allows.
func TestAbuse(t *testing.T) {
	idle, slow, logins := 200, 50, 100
	lasting := 2 * time.Second
	if *abuse {
		var files syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
			t.Fatal(err)
		}
		slow, logins, lasting = 1000, 500, 20*time.Second
		idle = min(10_000, int(files.Cur)/2-2*slow) // both ends are here
	}
	openFiles := countFiles(t)
	began := time.Now()
	text, err := passhash.New("sesame", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	limit := max(time.Second, 20*time.Since(began))
	hash, err := passhash.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	h := open(t, Settings{
		Users:  []User{{Name: "bob", Password: hash}},
		Limits: Limits{Connections: 100_000, ConnectionsPerAddress: 100_000},
	}, &recorder{forget: true})

	before := memoryInUse()
	var crowd []net.Conn
	for range idle + slow {
		c := h.dialRaw(t, "127.0.0.1")
		crowd = append(crowd, c)
		if _, err := io.ReadFull(c, make([]byte, 10)); err != nil { // the greeting
			t.Fatal(err)
		}
	}
	t.Logf("%d connections, %d bytes of memory each, both ends", len(crowd), (memoryInUse()-before)/uint64(len(crowd)))

	ctx, cancel := context.WithTimeout(t.Context(), lasting)
	defer cancel()
	var busy sync.WaitGroup
	busy.Go(func() { dribble(ctx, crowd[idle:]) })
	var tried atomic.Int64
	busy.Go(func() { h.guess(ctx, t, logins, &tried) })
	took := h.honest(ctx, t, 4)
	busy.Wait()
	for _, c := range crowd {
		_ = c.Close()
	}
	h.stop(t)

	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("%d honest messages, median %v, p99 %v, slowest %v; %d wrong logins",
		len(took), took[len(took)/2], p99, took[len(took)-1], tried.Load())
	if p99 > limit {
		t.Errorf("p99 is %v, want at most %v", p99, limit)
	}
	if got := countFiles(t); got > openFiles {
		t.Errorf("%d open files, %d before", got, openFiles)
	}
}

func countFiles(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(all)
}

// memoryInUse returns the size of heap and stacks in bytes.
func memoryInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// dialRaw connects from an address of the loopback network.
func (h *house) dialRaw(t *testing.T, from string) net.Conn {
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", h.listener.Addr().String())
	if err != nil {
		t.Skipf("from %s: %v", from, err)
	}
	return c
}

// dribble sends a byte a second on each connection.
func dribble(ctx context.Context, all []net.Conn) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for _, c := range all {
			_, _ = c.Write([]byte("N"))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// guess tries wrong passwords of changing users from changing addresses, and ignores the
// replies.
func (h *house) guess(ctx context.Context, t *testing.T, perSecond int, tried *atomic.Int64) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	var guessing sync.WaitGroup
	defer guessing.Wait()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(n/50), byte(n%50+1))}}
		c, err := d.DialContext(ctx, "tcp", h.listener.Addr().String())
		if err != nil {
			continue
		}
		wrong := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "\x00user%d\x00wrong", n))
		guessing.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			_, _ = fmt.Fprintf(c, "EHLO x\r\nAUTH PLAIN %s\r\nQUIT\r\n", wrong)
			_, _ = io.Copy(io.Discard, c)
			tried.Add(1)
		})
	}
}

// honest sends messages until ctx ends, and returns how long each took.
func (h *house) honest(ctx context.Context, t *testing.T, clients int) []time.Duration {
	var mu sync.Mutex
	var took []time.Duration
	var sending sync.WaitGroup
	for range clients {
		sending.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				to, content := []string{"bob@example.com"}, []byte("Subject: x\r\n\r\nHi.\r\n")
				err := smtp.SendMail(h.listener.Addr().String(), nil, "app@app.test", to, content)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(start))
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	return took
}
