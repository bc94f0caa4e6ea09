package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/smtpd"
)

const linkRoute = `
hostname: relay.example.com
teams: {shop: {api_key: "${KEY}"}}
blobs: {url: "file:///var/lib/heyrelay/blobs", public_url: "https://files.example.com", refuse: [exe, js]}
routes: [{inbox: 202, creator_id: 55, attachments: link, inline_images: link, trust_headers: true}]
`

// files is a Handler with a store of files and a spool that are played.
type files struct {
	*Handler
	mu       sync.Mutex
	objects  map[string]string
	puts     int // begun
	accepted []*spool.Message
	events   []events.Event

	put    func(ctx context.Context, n int) error // before the n-th object is stored, from 0; nil for nothing
	accept func(m *spool.Message) (spool.Receipt, error)
}

func newFiles(t *testing.T) *files {
	f := &files{objects: map[string]string{}, accept: func(m *spool.Message) (spool.Receipt, error) {
		return spool.Receipt{QueueID: m.QueueID}, nil
	}}
	f.Handler = New(Options{
		Config:     parse(t, linkRoute),
		Store:      f,
		Sink:       f,
		Now:        time.Now,
		NewLocalID: func() string { return "L" },
		Kick:       func() {},
		CanSend:    func(string, string) bool { return false },
		Targets:    func(to, _ []string) []string { return to },
		Turns:      make(Turns, 1),
		Files: &Files{
			Blobs:    f,
			Links:    blob.NewLinks(make([]byte, 32), "https://files.example.com"),
			Random:   rand.Reader,
			Discards: NewDiscards(),
		},
	})
	return f
}

func (f *files) Put(ctx context.Context, key string, size int64, open func() io.Reader) error {
	f.mu.Lock()
	n, put := f.puts, f.put
	f.puts++
	f.mu.Unlock()
	if put != nil {
		if err := put(ctx, n); err != nil {
			return err
		}
	}
	data, err := io.ReadAll(open())
	if err != nil || int64(len(data)) != size {
		return fmt.Errorf("%d octets, want %d, %w", len(data), size, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[key] = string(data)
	return nil
}

func (f *files) Delete(_ context.Context, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.objects, key)
	return nil
}

func (f *files) Accept(_ context.Context, m *spool.Message) (spool.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range m.Files {
		if data, ok := f.objects[file.Key]; !ok || sha256.Sum256([]byte(data)) != file.ContentDigest {
			return spool.Receipt{}, fmt.Errorf("%s is not stored: %q", file.Name, data)
		}
	}
	f.accepted = append(f.accepted, m)
	return f.accept(m)
}

func (*files) ConfirmReply(context.Context, string) error { return nil }

func (*files) Wait(context.Context, string) ([]spool.RequestStatus, error) { return nil, nil }

func (*files) SuppressReports(context.Context, string) error { return nil }

func (*files) ReleaseReports(context.Context, time.Time, string) error { return nil }

func (f *files) Record(e events.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

// discarded returns how many objects there are when everything is deleted that is to be.
func (f *files) discarded(t *testing.T) int {
	ctx, end := context.WithCancel(t.Context())
	end()
	f.o.Files.Discards.Run(ctx, func() time.Duration { return time.Second })
	return len(f.objects)
}

func (f *files) handle(ctx context.Context, raw []byte) smtpd.Reply {
	env := &smtpd.Envelope{
		QueueID:  "Q",
		From:     "app@example.com",
		Rcpt:     []string{"ann@example.com", "bcc@example.com"},
		Received: time.Now(),
	}
	return f.Handle(ctx, env, raw)
}

// letter is a message with these files, by their names.
func letter(header string, contents map[string]string) []byte {
	var b strings.Builder
	b.WriteString(header + "To: ann@example.com\r\nSubject: Invoice\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n")
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		fmt.Fprintf(&b, "--b\r\nContent-Type: application/octet-stream; name=%q\r\n\r\n%s\r\n", name, contents[name])
	}
	b.WriteString("--b--\r\n")
	return []byte(b.String())
}

var twoFiles = map[string]string{"a.pdf": "%PDF-1.4", "b.txt": "words"}

// The files of a message are stored before it is accepted, and both bodies have a link to each,
// which the spool knows by its hash.
func TestFilesAreLinked(t *testing.T) {
	f := newFiles(t)
	reply := f.handle(t.Context(), letter("", twoFiles))
	if reply.Code != 250 || len(f.objects) != 2 || len(f.accepted) != 1 {
		t.Fatalf("reply %+v, %d objects, %d messages", reply, len(f.objects), len(f.accepted))
	}
	m := f.accepted[0]
	for i, want := range []struct{ name, kind, content string }{
		{"a.pdf", "application/pdf", "%PDF-1.4"},
		{"b.txt", "text/plain", "words"},
	} {
		file := m.Files[i]
		if file.Name != want.name || file.ContentType != want.kind || f.objects[file.Key] != want.content ||
			file.Size != int64(len(want.content)) || time.Until(file.Expires).Round(time.Hour) != 90*24*time.Hour {
			t.Errorf("file %+v with %q, want %v", file, f.objects[file.Key], want)
		}
		for _, body := range []string{m.HTML, m.Text} {
			link := regexp.MustCompile(`https://files\.example\.com/f/([\w-]+)/` + want.name + `[">]`).FindStringSubmatch(body)
			if link == nil {
				t.Errorf("no link to %s in %s", want.name, body)
				continue
			}
			id, expires, ok := f.o.Files.Links.Parse(link[1])
			if !ok || id.Hash() != file.ID || expires.Unix() != file.Expires.Unix() {
				t.Errorf("%s: %q is another link", want.name, link[1])
			}
		}
	}
	if len(m.Requests) != 2 || f.discarded(t) != 2 {
		t.Errorf("%d requests, %d objects", len(m.Requests), len(f.objects))
	}
}

// A message whose files cannot be stored is refused for a time, and nothing of it remains. The
// client does not read the cause, the log does.
func TestStoreIsDown(t *testing.T) {
	inner := errors.New("inner detail")
	const later = "451 4.3.0 Attachments cannot be stored at the moment, try again later (Q)"
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%w: %w", blob.ErrUnavailable, inner), later},
		{fmt.Errorf("%w: %w", blob.ErrDenied, inner), later},
		{fmt.Errorf("%w: %w", blob.ErrFull, inner), "452 4.3.1 Insufficient system storage (Q)"},
		{fmt.Errorf("%w: %w", context.Canceled, inner), "421 4.3.2 Shutting down, try again later (Q)"},
	} {
		f := newFiles(t)
		f.put = func(_ context.Context, n int) error {
			if n == 1 {
				return c.err
			}
			return nil
		}
		reply := f.handle(t.Context(), letter("", twoFiles))
		if replyText(reply) != c.want || len(f.accepted) != 0 {
			t.Errorf("%v: %q, %d messages", c.err, replyText(reply), len(f.accepted))
		}
		if len(f.events) != 1 || f.events[0].Kind != events.Refused || !errors.Is(f.events[0].Err, inner) {
			t.Errorf("%v: events %+v", c.err, f.events)
		}
		if n := f.discarded(t); n != 0 {
			t.Errorf("%v: %d objects remain", c.err, n)
		}
	}
}

// What the spool did not take is deleted. Where it may have taken it, it is not.
func TestNotTaken(t *testing.T) {
	for _, c := range []struct {
		err  error
		left int
	}{
		{spool.ErrKey, 0},
		{spool.ErrConvo, 0},
		{spool.ErrFull, 0},
		{spool.ErrClosed, 0},
		{context.Canceled, 0},
		{errors.New("commit"), 2},
	} {
		f := newFiles(t)
		f.accept = func(*spool.Message) (spool.Receipt, error) { return spool.Receipt{}, fmt.Errorf("accept: %w", c.err) }
		if reply := f.handle(t.Context(), letter("", twoFiles)); reply.Code == 250 {
			t.Errorf("%v: %+v", c.err, reply)
		}
		if n := f.discarded(t); n != c.left {
			t.Errorf("%v: %d objects remain, want %d", c.err, n, c.left)
		}
	}
	f := newFiles(t)
	f.accept = func(m *spool.Message) (spool.Receipt, error) {
		return spool.Receipt{QueueID: "first", Duplicate: true, Unused: []string{m.Files[1].Key}}, nil
	}
	f.handle(t.Context(), letter("", twoFiles))
	if n := f.discarded(t); n != 1 || f.objects[f.accepted[0].Files[0].Key] == "" {
		t.Errorf("%d objects remain: %v", n, f.objects)
	}
}

// Files are refused by the endings of their names, and by their content.
func TestRefusedFiles(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"Setup.EXE":       {"words", `554 5.6.0 attachment refused: "Setup.EXE" is refused by blobs.refuse: exe (Q)`},
		"report.pdf.js":   {"words", `"report.pdf.js" is refused by blobs.refuse: js`},
		"a.exe. ":         {"words", `"a.exe" is refused by blobs.refuse: exe`},
		"report.pdf":      {"MZ\x90\x00", `"report.pdf" has the content of a file of the type exe, which`},
		"exe":             {"words", ""},
		"report.exe.docx": {"PK\x03\x04", ""},
	} {
		f := newFiles(t)
		reply := f.handle(t.Context(), letter("", map[string]string{name: c.content, "a.txt": "words"}))
		if c.want == "" && reply.Code != 250 || !strings.Contains(replyText(reply), c.want) {
			t.Errorf("%s: %q, want %q", name, replyText(reply), c.want)
		}
		if c.want != "" && len(f.objects) > 0 {
			t.Errorf("%s: %d objects", name, len(f.objects))
		}
	}
}

// A message with a key is the same if its files are the same, whatever their links are.
func TestDigestOfFiles(t *testing.T) {
	f := newFiles(t)
	digest := func(contents map[string]string) spool.Fingerprint {
		t.Helper()
		raw := letter("X-Heymarket-Idempotency-Key: 17\r\n", contents)
		if reply := f.handle(t.Context(), raw); reply.Code != 250 {
			t.Fatalf("%+v", reply)
		}
		return f.accepted[len(f.accepted)-1].ContentDigest
	}
	first := digest(twoFiles)
	if first == (spool.Fingerprint{}) || first != digest(twoFiles) {
		t.Error("a repeat has another digest")
	}
	if first == digest(map[string]string{"a.pdf": "%PDF-1.4", "b.txt": "other"}) {
		t.Error("a message with another file has the same digest")
	}
	if f.accepted[0].HTML == f.accepted[1].HTML {
		t.Error("two messages have the same links")
	}
}

// While the store is slow, other messages are planned; it may not be slow for ever.
func TestStoreIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles(t)
		f.put = func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if reply := f.handle(t.Context(), letter("", twoFiles)); reply.Code != 451 {
					t.Errorf("%+v", reply)
				}
			})
		}
		synctest.Wait() // all are being stored
		all.Go(func() {
			if reply := f.handle(t.Context(), letter("", nil)); reply.Code != 250 || time.Since(began) > 0 {
				t.Errorf("a message without files: %+v after %v", reply, time.Since(began))
			}
		})
		all.Wait()
		if took := time.Since(began); took != storeTime {
			t.Errorf("took %v", took)
		}
	})
}

// An explanation shows what links would look like, and stores nothing.
func TestExplainLinks(t *testing.T) {
	env := &smtpd.Envelope{QueueID: "Q", From: "app@example.com", Rcpt: []string{"ann@example.com"}, Received: time.Now()}
	e := Explain(parse(t, linkRoute), env, letter("", twoFiles))
	if e.Refused != "" || !strings.Contains(e.Message.Text, "<https://files.example.com/f/") {
		t.Errorf("%+v", e)
	}
}

// The block names the last day on which a link can be used all day, wherever its reader is.
func TestUntil(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		expires  string
		lifetime time.Duration
		want     string
	}{
		{"2027-02-24T12:00:00Z", 90 * day, "23 February 2027"}, // when the 23rd ends at UTC-12
		{"2027-02-24T11:59:00Z", 90 * day, "22 February 2027"},
		{"2027-02-24T23:59:00+14:00", 90 * day, "22 February 2027"},
		{"2027-02-24T11:59:00Z", day, "24 February 2027, 11:59 UTC"},
	} {
		expires, err := time.Parse(time.RFC3339, c.expires)
		if err != nil {
			t.Fatal(err)
		}
		if got := until(expires, c.lifetime); got != c.want {
			t.Errorf("%s: %s, want %s", c.expires, got, c.want)
		}
	}
}

// Many small files do not take many times as long, and each is stored.
func TestManyFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles(t)
		f.put = func(context.Context, int) error {
			<-time.After(time.Second) // the store's
			return nil
		}
		contents := map[string]string{}
		for i := range 100 {
			contents[fmt.Sprintf("%d.txt", i)] = fmt.Sprint(i)
		}
		began := time.Now()
		if reply := f.handle(t.Context(), letter("", contents)); reply.Code != 250 || len(f.objects) != 100 {
			t.Errorf("%+v, %d objects", reply, len(f.objects))
		}
		if took := time.Since(began); took != 100*time.Second/storeWidth {
			t.Errorf("took %v", took)
		}
	})
}

// The memory of a message does not grow with its files.
func TestFilesAreStreamed(t *testing.T) {
	f := newFiles(t)
	raw := letter("", map[string]string{"a.bin": string(bytes.Repeat([]byte("words "), 2<<20))})
	f.put = func(context.Context, int) error { return blob.ErrUnavailable } // the store that is played keeps them
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			f.handle(t.Context(), raw)
		}
	}).AllocedBytesPerOp()
	if most := int64(len(raw)) * 3 / 2; allocated > most { // the message is stored with its trace field
		t.Errorf("%d octets for a message of %d, want at most %d", allocated, len(raw), most)
	}
}

// What is recorded of a message that is passed on has no files: nothing is stored.
func TestShadowHasNoFiles(t *testing.T) {
	f := newFiles(t)
	s := &shadow{h: f.Handler, route: &f.o.Config.Routes[0]}
	env := &smtpd.Envelope{
		QueueID: "Q", From: "app@example.com", Rcpt: []string{"ann@example.com"}, DSN: make([]smtpd.DSN, 1),
	}
	m, err := s.plan(t.Context(), env, letter("", twoFiles))
	if err != nil || m.Shadow.Refusal != "" || len(m.Files) > 0 || len(f.objects) > 0 {
		t.Errorf("%+v, %v, %d objects", m, err, len(f.objects))
	}
}
