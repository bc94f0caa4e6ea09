package relay

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/blob"
	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/fileserver"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/test/process"
)

// oneFile is a spool that knows the file of each link.
type oneFile struct {
	spool.Store
	file spool.Attachment
}

func (s oneFile) File(context.Context, spool.LinkHash) (spool.Attachment, error) { return s.file, nil }

// newFile stores octets and returns what the spool knows of them.
func newFile(t *testing.T, store blob.Store, content []byte) spool.Attachment {
	t.Helper()
	a := spool.Attachment{Name: "a.bin", Key: blob.Owner{}.NewKey(rand.Reader), Size: int64(len(content))}
	open := func() io.Reader { return bytes.NewReader(content) }
	if err := store.Put(t.Context(), a.Key, a.Size, open); err != nil {
		t.Fatal(err)
	}
	return a
}

// Links keep their file when the public URL, the time of new links or the address of the listener
// change, and when it is encrypted from now on.
func TestReloadFiles(t *testing.T) {
	dir := t.TempDir()
	blobs := oneRoute + "blobs: {url: \"file://" + dir + "\", public_url: \"https://%s.example.com\", listen: \"%s\"%s}\n"
	first := fmt.Sprintf(blobs, "a", "127.0.0.1:0", "")
	cfg := parse(t, first)
	store, err := blob.Open(cfg.Blobs.URL, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &reloading{t: t, recorder: &recorder{}}
	r.Relay, err = New(cfg, Parts{
		Store:  oneFile{open(t), newFile(t, store, []byte("content"))},
		Sink:   r.recorder,
		Random: rand.Reader,
		Load:   func() (*config.Config, error) { return r.next() },
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, r.Relay)
	token, _ := r.setup.Load().links.New(rand.Reader, time.Now().Add(time.Hour))
	path := "/f/" + token + "/a.bin"
	works := func(scheme string) {
		t.Helper()
		if status, body := get(t, scheme+r.FilesAddr().String()+path); status != http.StatusOK || body != "content" {
			t.Errorf("%d %s", status, body)
		}
	}
	works("http://")
	r.must(fmt.Sprintf(blobs, "b", "127.0.0.1:0", ", expire: 1d, downloads: 7"))
	works("http://")
	if link := r.setup.Load().links.URL(token, "a.bin"); link != "https://b.example.com"+path {
		t.Errorf("a link after the reload: %s", link)
	}
	free := process.FreeAddress(t)
	r.must(fmt.Sprintf(blobs, "b", free, ""))
	works("http://")
	if r.FilesAddr().String() != free {
		t.Errorf("it listens on %v", r.FilesAddr())
	}
	certify(t, dir)
	tls := fmt.Sprintf("tls: {certificate: %[1]s/cert.pem, key: %[1]s/key.pem}\n", dir)
	r.must(fmt.Sprintf(blobs, "b", free, ", tls: implicit") + tls)
	_, err = http.Get("https://" + r.FilesAddr().String() + path)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("encrypted, as no browser knows the certificate: %v", err)
	}
	before := r.FilesAddr()
	r.must(oneRoute)
	if r.FilesAddr() != nil {
		t.Error("files are served without a store")
	}
	if _, err := net.Dial("tcp", before.String()); err == nil {
		t.Error("the listener is open")
	}
}

// Files are served with bounds of their own, also at an address where a page was before.
func TestReloadSwapsPages(t *testing.T) {
	a, b := process.FreeAddress(t), process.FreeAddress(t)
	text := fmt.Sprintf(linkRoute, filepath.Join(t.TempDir(), "blobs"), "") + "metrics: {address: %q}\n"
	at := func(metrics, files string) string {
		listen := `proxies: [192.0.2.1], listen: "` + files + `"`
		return strings.Replace(fmt.Sprintf(text, metrics), `listen: "127.0.0.1:0"`, listen, 1)
	}
	r := newReloading(t, at(a, b))
	lives := func(at string) {
		t.Helper()
		if code, _ := get(t, "http://"+at+"/livez"); code != http.StatusOK {
			t.Errorf("livez: %d", code)
		}
	}
	lives(a)
	r.must(at(b, a))
	lives(b)
	for n := 1; n <= maxFilesPerAddress+1; n++ {
		c, err := net.Dial("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n <= maxFilesPerAddress {
			continue
		}
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d is open", n)
		}
	}
}

// A link leads to the file of its message until the message's links are revoked, which no client can
// distinguish from a link that never was; or until its time is over.
func TestLinksEnd(t *testing.T) {
	dir := t.TempDir()
	store := openIn(t, dir)
	defer closeSpool(t, store)
	operator, err := sqlite.OpenOperator(filepath.Join(dir, "spool.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer operator.Close()
	api := sandbox.New(sandbox.Options{})
	sent := sink{events.Sent, make(chan events.Event, 10)}
	var ahead atomic.Int64
	r, err := New(parse(t, fmt.Sprintf(linkRoute, filepath.Join(dir, "blobs"), "")), Parts{
		Store:     store,
		Sink:      sent,
		Transport: api,
		Random:    rand.Reader,
		Now:       func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, r)
	defer stop()
	links := map[string]string{}
	for _, queueID := range []string{"Q1", "Q2"} {
		raw := strings.ReplaceAll(string(withAttachments(attachments()[:1])), "<1@", "<"+queueID+"@")
		submit(t, r, queueID, "ann@example.com", raw)
		<-sent.got
		messages := api.Messages()
		token := tokenOf(string(messages[len(messages)-1].Request), "invoice.pdf")
		links[queueID] = "http://" + r.FilesAddr().String() + "/f/" + token
		if status, body := get(t, links[queueID]); status != http.StatusOK || body != string(attachments()[0].content) {
			t.Errorf("%s: %d %q", queueID, status, body)
		}
	}
	if n, err := operator.Revoke(t.Context(), r.now(), "Q1"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	revoked, page := get(t, links["Q1"])
	unknown, same := get(t, "http://"+r.FilesAddr().String()+"/f/x")
	if revoked != http.StatusNotFound || unknown != revoked || page != same {
		t.Errorf("revoked: %d %s, unknown: %d %s", revoked, page, unknown, same)
	}
	ahead.Store(int64(90*24*time.Hour - time.Minute))
	if status, _ := get(t, links["Q2"]); status != http.StatusOK {
		t.Errorf("a minute before its end: %d", status)
	}
	ahead.Store(int64(90*24*time.Hour + time.Minute))
	if status, body := get(t, links["Q2"]); status != http.StatusGone || !strings.Contains(body, "has expired") {
		t.Errorf("after its end: %d %s", status, body)
	}
}

// A shutdown waits for no download: the client can continue it.
func TestShutdownDuringADownload(t *testing.T) {
	cfg := parse(t, fmt.Sprintf(linkRoute, t.TempDir(), "")+"shutdown_timeout: 1s\n")
	blobs, err := blob.Open(cfg.Blobs.URL, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := oneFile{open(t), newFile(t, blobs, make([]byte, 25_000_000))}
	r, err := New(cfg, Parts{Store: store, Sink: events.Sinks{}, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, r)
	token, _ := r.setup.Load().links.New(rand.Reader, time.Now().Add(time.Hour))
	client, err := net.Dial("tcp", r.FilesAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := fmt.Fprintf(client, "GET /f/%s HTTP/1.1\r\nHost: a\r\n\r\n", token); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took >= pagesEnd {
		t.Errorf("the shutdown took %v, shutdown_timeout is 1s", took)
	}
}

// A store that is down makes the relay degraded, which accepts other mail. It is not asked each time.
func TestHealthOfTheStore(t *testing.T) {
	now := time.Now()
	down := &downBlobs{err: errors.Join(blob.ErrUnavailable, errors.New("connection refused"))}
	cfg := parse(t, oneRoute+"blobs: {url: \"file:///srv/blobs\", public_url: \"https://files.example.com\"}\n")
	r, err := New(cfg, Parts{
		Store:     open(t),
		Sink:      events.Sinks{},
		Random:    rand.Reader,
		Listen:    nowhere,
		Now:       func() time.Time { return now },
		OpenBlobs: func(string, blob.Options) (blob.Store, error) { return down, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		h := r.Health(t.Context())
		const want = "attachments can neither be stored nor downloaded: the blob store is not available\nconnection refused"
		if h.Status != Degraded || len(h.Reasons) != 1 || h.Reasons[0] != want {
			t.Errorf("%+v", h)
		}
	}
	down.err = nil
	now = now.Add(blobsFresh)
	if h := r.Health(t.Context()); h.Status != Serving || down.asked != 2 {
		t.Errorf("%+v, asked %d times", h, down.asked)
	}
}

// downBlobs is a store that may be down.
type downBlobs struct {
	blob.Store
	err   error
	asked int
}

func (s *downBlobs) Ping(context.Context) error {
	s.asked++
	return s.err
}

// pipes is a listener whose connections are in memory, where time can be simulated.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error { return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A client on a slow line gets 25 MB whole, which takes an hour. One that takes nothing is cut off.
func TestSlowDownloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 25_000_000
		store, err := blob.Open("file://"+t.TempDir(), blob.Options{})
		if err != nil {
			t.Fatal(err)
		}
		file := newFile(t, store, make([]byte, size))
		links := blob.NewLinks(make([]byte, 32), "")
		server := newPageServer(fileserver.New(fileserver.Options{
			Links: links,
			Find:  oneFile{file: file}.File,
			Store: contextual{store},
			Slots: &fileserver.Slots{},
			Limit: fileserver.Limit{Total: 2, PerAddress: 2},
			Sink:  events.Sinks{},
			Now:   time.Now,
		}))
		listener := pipes{make(chan net.Conn)}
		go server.Serve(listener)
		defer server.Close()
		defer close(listener.conns)
		token, _ := links.New(rand.Reader, time.Now().Add(time.Hour))
		begin := func() net.Conn {
			client, own := net.Pipe()
			listener.conns <- own
			if _, err := fmt.Fprintf(client, "GET /f/%s HTTP/1.1\r\nHost: a\r\n\r\n", token); err != nil {
				t.Fatal(err)
			}
			return client
		}
		slow := begin()
		start := time.Now()
		got, buffer := 0, make([]byte, 64_000)
		for got < size {
			n, err := slow.Read(buffer)
			if err != nil {
				t.Fatalf("cut off after %d octets and %v: %v", got, time.Since(start), err)
			}
			got += n
			<-time.After(time.Duration(n) * time.Second / 7000)
		}
		if took := time.Since(start); took < 50*time.Minute {
			t.Errorf("it took %v, which is not slow", took)
		}
		_ = slow.Close()

		silent := begin()
		defer silent.Close()
		if _, err := silent.Read(buffer); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		if rest, _ := io.ReadAll(silent); len(rest) > 0 {
			t.Errorf("a client that took nothing for two minutes gets %d octets", len(rest))
		}
	})
}

// contextual is a store whose objects can be read until the context ends, as those of a bucket.
type contextual struct{ blob.Store }

func (s contextual) Open(ctx context.Context, key string) (blob.Object, error) {
	o, err := s.Store.Open(ctx, key)
	return contextualObject{o, ctx}, err
}

type contextualObject struct {
	blob.Object
	ctx context.Context
}

func (o contextualObject) Read(p []byte) (int, error) {
	if err := o.ctx.Err(); err != nil {
		return 0, err
	}
	return o.Object.Read(p)
}

// One address has a part of the connections only; a proxy has many clients.
func TestConnectionsOfAnAddress(t *testing.T) {
	l := &fileListener{proxied: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.1") }}
	var accepted []net.Conn
	accept := func(addresses ...string) map[netip.Prefix]int {
		conns := make(chan net.Conn, len(addresses))
		for _, address := range addresses {
			conns <- from(address)
		}
		close(conns)
		l.Listener = pipes{conns}
		counted := map[netip.Prefix]int{}
		for {
			c, err := l.Accept()
			if err != nil {
				return counted
			}
			accepted = append(accepted, c)
			client, _ := netip.ParseAddrPort(c.RemoteAddr().String())
			counted[access.Network(client.Addr().Unmap())]++
		}
	}
	many := slices.Repeat([]string{"192.0.2.1", "2001:db8::1", "2001:db8::2", "::ffff:203.0.113.5"}, maxFilesPerAddress+7)
	got := accept(many...)
	want := map[netip.Prefix]int{
		netip.MustParsePrefix("192.0.2.1/32"):   maxFilesPerAddress + 7,
		netip.MustParsePrefix("2001:db8::/64"):  maxFilesPerAddress,
		netip.MustParsePrefix("203.0.113.5/32"): maxFilesPerAddress,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, c := range accepted {
		_ = c.Close()
		_ = c.Close() // which counts once
	}
	if got := accept(many...); !maps.Equal(got, want) {
		t.Errorf("after all were closed: %v, want %v", got, want)
	}
}

// remote is a connection of an address.
type remote struct {
	net.Conn
	address netip.Addr
}

func from(address string) net.Conn {
	c, _ := net.Pipe()
	return remote{c, netip.MustParseAddr(address)}
}

func (r remote) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.address, 1))
}
