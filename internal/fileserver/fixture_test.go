package fileserver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/fileserver"
	"heyrelay/internal/spool"
)

// fixture is a file server with a spool that a map plays.
type fixture struct {
	testing.TB
	server *fileserver.Server
	links  *blob.Links
	store  *faulty
	now    time.Time
	limit  fileserver.Limit

	mu       sync.Mutex
	files    map[spool.LinkHash]spool.Attachment
	spoolErr error
	lookups  int // of the spool
	events   []events.Event
	lost     []string // keys of objects that are missing
}

func start(t testing.TB) *fixture {
	folder, err := blob.Open("file://"+t.TempDir(), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		TB:    t,
		links: blob.NewLinks(bytes.Repeat([]byte{7}, 32), "https://files.example.com"),
		store: &faulty{Store: folder},
		now:   time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		files: map[spool.LinkHash]spool.Attachment{},
		limit: fileserver.Limit{Total: 100, PerAddress: 10},
	}
	f.restart()
	return f
}

// restart makes the server anew, as a reload does.
func (f *fixture) restart() {
	f.server = fileserver.New(fileserver.Options{
		Links:   f.links,
		Find:    f.find,
		Missing: f.missing,
		Store:   f.store,
		Slots:   &fileserver.Slots{},
		Limit:   f.limit,
		Proxy:   access.Proxy{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}},
		Sink:    f,
		Now:     func() time.Time { return f.now },
	})
}

func (f *fixture) find(_ context.Context, id spool.LinkHash) (spool.Attachment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookups++
	a, ok := f.files[id]
	if !ok {
		return spool.Attachment{}, spool.ErrNotFound
	}
	return a, f.spoolErr
}

func (f *fixture) missing(_ context.Context, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = append(f.lost, key)
	return nil
}

// Record implements events.Sink.
func (f *fixture) Record(e events.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

// recorded returns the events of a kind since it was last called, and forgets all.
func (f *fixture) recorded(kind events.Kind) (found []events.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	f.events = nil
	return found
}

// put stores a file and returns its token.
func (f *fixture) put(name, kind string, content []byte) (token string, id blob.ID) {
	f.Helper()
	key := blob.Owner{}.NewKey(rand.Reader)
	open := func() io.Reader { return bytes.NewReader(content) }
	if err := f.store.Put(f.Context(), key, int64(len(content)), open); err != nil {
		f.Fatal(err)
	}
	digest := sha256.Sum256(content)
	expires := f.now.Add(90 * 24 * time.Hour)
	token, id = f.links.New(rand.Reader, expires)
	f.files[id.Hash()] = spool.Attachment{
		QueueID:       "QUEUEID",
		Route:         "shop",
		Name:          name,
		ContentType:   kind,
		Size:          int64(len(content)),
		Accepted:      f.now,
		Expires:       expires,
		Key:           key,
		ContentDigest: hex.EncodeToString(digest[:]),
	}
	return token, id
}

// get asks for a path, with header fields given as name, value, name, value.
func (f *fixture) get(path string, fields ...string) *httptest.ResponseRecorder {
	f.Helper()
	return f.ask(http.MethodGet, path, fields...)
}

func (f *fixture) ask(method, path string, fields ...string) *httptest.ResponseRecorder {
	f.Helper()
	r := httptest.NewRequestWithContext(f.Context(), method, path, nil)
	r.RemoteAddr = "203.0.113.5:4711"
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	f.server.ServeHTTP(w, r)
	return w
}

// faulty is a store that can fail.
type faulty struct {
	blob.Store
	openErr, readErr error
	opened           int
	hold             chan struct{} // reading waits until it is closed; nil for no wait
}

func (s *faulty) Open(ctx context.Context, key string) (blob.Object, error) {
	s.opened++
	if s.openErr != nil {
		return nil, s.openErr
	}
	o, err := s.Store.Open(ctx, key)
	return &faultyObject{o, s}, err
}

type faultyObject struct {
	blob.Object
	store *faulty
}

func (o *faultyObject) Read(p []byte) (int, error) {
	if o.store.hold != nil {
		<-o.store.hold
	}
	if o.store.readErr != nil {
		return 0, o.store.readErr
	}
	return o.Object.Read(p)
}

var errDown = errors.Join(blob.ErrUnavailable, errors.New("connection refused to s3.internal"))
