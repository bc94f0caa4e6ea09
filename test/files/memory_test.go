package files

import (
	"bufio"
	"database/sql"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/smtp"
	"net/textproto"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the spool

	"heyrelay/test/process"
)

var messages = flag.Int("messages", 0, "in TestMemory, messages with a file of 20 MB")

const (
	inFlight  = 256 // MB
	clients   = 20
	downloads = 10 // at a time, as blobs.downloads_per_address allows
	fileSize  = 20 << 20
)

// TestMemory sends files of 20 MB from many clients, each other than all others, and downloads all of them. The
// relay occupies no more than four times limits.in_flight, and nothing is left of the files when their links have
// expired.
func TestMemory(t *testing.T) {
	if *messages == 0 {
		t.Skip("by hand: see the package's comment")
	}
	for _, store := range []string{"folder", "bucket"} {
		t.Run(store, func(t *testing.T) {
			r := start(t, store)
			t.Logf("%-35s %4d MB", "idle", r.peak(func() {}))
			t.Logf("%-35s %4d MB", "one message", r.peak(func() { r.sendFiles(1, 1) }))
			began, deferred := time.Now(), int64(0)
			most := r.peak(func() { deferred = r.sendFiles(2, *messages) })
			t.Logf("%-35s %4d MB, in %.0f s, %d times deferred", fmt.Sprintf("%d messages from %d clients", *messages, clients),
				most, time.Since(began).Seconds(), deferred)
			t.Logf("%-35s %4d MB", fmt.Sprintf("%d downloads, %d at a time", *messages, downloads), r.peak(r.downloadAll))
			if most > inFlight*4 {
				t.Errorf("%d MB is more than four times limits.in_flight", most)
			}
			r.checkNothingIsLeft()
		})
	}
}

// TestMemoryOfOneMessage sends a message of 28 MB, of which a file is 20 MB: it costs the relay less than 100 MB,
// though the client does not announce its size.
func TestMemoryOfOneMessage(t *testing.T) {
	r := start(t, "bucket")
	idle := r.peak(func() {})
	if most := r.peak(func() { r.sendFiles(1, 1) }); most > idle+100 {
		t.Errorf("the relay occupied %d MB, and %d MB before", most, idle)
	}
}

// peak returns the most memory in MB that the relay occupies while do runs.
func (r *relay) peak(do func()) int64 {
	r.t.Helper()
	process.ResetPeak(r.t, r.Serve.PID())
	do()
	peak, alive := process.PeakMemory(r.t, r.Serve.PID())
	if !alive {
		r.t.Fatal("the relay has ended")
	}
	return peak >> 20
}

// checkNothingIsLeft has all links expire.
func (r *relay) checkNothingIsLeft() {
	r.t.Helper()
	before := r.objects()
	if len(before) != *messages {
		r.t.Errorf("%d objects are stored", len(before))
	}
	r.expire()
	r.t.Log(r.Command(r.t, "blobs", "gc"))
	var octets int64
	after := r.objects()
	for size := range maps.Values(after) {
		octets += size
	}
	r.t.Logf("%d objects before the links expire, %d of %d octets after", len(before), len(after), octets)
	if octets > 1<<10 { // what Ping writes
		r.t.Errorf("left: %v", after)
	}
}

// sendFiles sends the messages from first to last, again where they were deferred, and returns how often that
// was.
func (r *relay) sendFiles(first, last int) (deferred int64) {
	r.t.Helper()
	var next, late atomic.Int64
	var wg sync.WaitGroup
	next.Store(int64(first - 1))
	for c := range clients {
		wg.Go(func() {
			again := time.NewTicker(100 * time.Millisecond)
			defer again.Stop()
			from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+c))}
			for {
				i := next.Add(1)
				if i > int64(last) {
					return
				}
				for err := sendFile(r.SMTP, from, i); err != nil; err = sendFile(r.SMTP, from, i) {
					if !isDeferred(err) {
						r.t.Error(err)
						return
					}
					late.Add(1)
					<-again.C
				}
			}
		})
	}
	wg.Wait()
	return late.Load()
}

// isDeferred reports whether an error is a reply 4yz.
func isDeferred(err error) bool {
	var reply *textproto.Error
	return errors.As(err, &reply) && reply.Code/100 == 4
}

// sendFile sends message i with a file of its own.
func sendFile(address string, from *net.TCPAddr, i int64) error {
	conn, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	if err := c.Mail("app@example.com"); err != nil {
		return err
	}
	if err := c.Rcpt(fmt.Sprintf("ann%d@example.com", i)); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	writeMessage(w, i)
	return w.Close()
}

func writeMessage(to io.Writer, i int64) {
	w := bufio.NewWriterSize(to, 1<<20)
	fmt.Fprintf(w, "Message-ID: <%d@app.example.com>\r\nSubject: Scan %d\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the scan.\r\n--b\r\n"+
		"Content-Type: application/octet-stream; name=scan.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n", i, i)
	random := mathrand.NewChaCha8([32]byte{byte(i), byte(i >> 8)})
	line := make([]byte, 57)
	for left := fileSize; left > 0; left -= len(line) {
		line = line[:min(len(line), left)]
		_, _ = random.Read(line)
		_, _ = w.WriteString(base64.StdEncoding.EncodeToString(line) + "\r\n")
	}
	_, _ = w.WriteString("--b--\r\n")
	_ = w.Flush() // the error of the connection comes again
}

// downloadAll downloads the file of each message, as many at a time as clients.
func (r *relay) downloadAll() {
	r.t.Helper()
	var urls []string
	for _, m := range process.AwaitMessages(r.t, r.API, *messages) {
		urls = append(urls, slices.Collect(maps.Values(linksOf(r.t, m.Request.RawText)))...)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, downloads)
	for _, u := range urls {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			resp, err := http.Get(u)
			if err != nil {
				r.t.Error(err)
				return
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); n != fileSize || err != nil {
				r.t.Errorf("status %d, %d octets, %v", resp.StatusCode, n, err)
			}
		})
	}
	wg.Wait()
}

// expire lets the time of all links end.
func (r *relay) expire() {
	r.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(r.Dir, "spool.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE attachment SET ends = 1`); err != nil {
		r.t.Fatal(err)
	}
}
