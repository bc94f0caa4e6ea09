// Package blobtest tests that a store of files keeps what package blob promises.
package blobtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"heyrelay/internal/blob"
)

// Stage is an empty store of a test, and what can happen to it.
type Stage struct {
	Store blob.Store

	// Down makes the store unavailable, and Up available again.
	Down, Up func()

	// Shorten cuts the last octet from an object, as a damaged disk might.
	Shorten func(key string)
}

// Run tests stores that open returns, a new one for each test.
func Run(t *testing.T, open func(t *testing.T) Stage) {
	tests := []struct {
		name string
		test func(*testing.T, Stage)
	}{
		{"Contents", testContents},
		{"Seek", testSeek},
		{"Keys", testKeys},
		{"Missing", testMissing},
		{"List", testList},
		{"Concurrent", testConcurrent},
		{"Content", testContent},
		{"Canceled", testCanceled},
		{"DownAtPut", testDownAtPut},
		{"DownWithinPut", testDownWithinPut},
		{"DownAtOpen", testDownAtOpen},
		{"DownWithinRead", testDownWithinRead},
		{"Shortened", testShortened},
		{"Memory", testMemory},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.test(t, open(t)) })
	}
}

// newKey returns a key that was not used.
func newKey() string { return blob.Owner{}.NewKey(rand.Reader) }

// some returns n octets that are the same each time and compress badly.
func some(n int64) io.Reader {
	return io.LimitReader(mathrand.NewChaCha8([32]byte{1}), n)
}

// bytesOf returns what some reads.
func bytesOf(t *testing.T, n int64) []byte {
	t.Helper()
	b, err := io.ReadAll(some(n))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put stores n octets under a new key.
func put(t *testing.T, s blob.Store, n int64) string {
	t.Helper()
	key := newKey()
	if err := s.Put(t.Context(), key, n, func() io.Reader { return some(n) }); err != nil {
		t.Fatal(err)
	}
	return key
}

// get returns an object.
func get(t *testing.T, s blob.Store, key string) []byte {
	t.Helper()
	o, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	b, err := io.ReadAll(o)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != o.Size() {
		t.Errorf("Size is %d, and %d octets were read", o.Size(), len(b))
	}
	return b
}

// keysOf returns what List lists, sorted.
func keysOf(t *testing.T, s blob.Store) []string {
	t.Helper()
	var keys []string
	err := s.List(t.Context(), func(i blob.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// nothing fails the test if anything is stored.
func nothing(t *testing.T, s blob.Store) {
	t.Helper()
	if keys := keysOf(t, s); len(keys) > 0 {
		t.Errorf("%q are stored", keys)
	}
}

// wantErr fails the test if an error is not of a kind.
func wantErr(t *testing.T, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: %v, want %q", what, err, kind)
	}
}

func testContents(t *testing.T, st Stage) {
	if err := st.Store.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	for _, n := range []int64{0, 1, 4096, 1<<20 + 1} {
		key := put(t, st.Store, n)
		if got := get(t, st.Store, key); !bytes.Equal(got, bytesOf(t, n)) {
			t.Errorf("%d octets came back as %d others", n, len(got))
		}
	}
}

// testSeek reads pieces of an object in any order, as downloads of ranges do.
func testSeek(t *testing.T, st Stage) {
	const size = 1 << 20
	want := bytesOf(t, size)
	o, err := st.Store.Open(t.Context(), put(t, st.Store, size))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	at := func(n int64, err error) int64 {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		return n
	}
	if end := at(o.Seek(0, io.SeekEnd)); end != size || o.Size() != size {
		t.Errorf("the end is at %d, and the size %d", end, o.Size())
	}
	at(o.Seek(0, io.SeekStart))
	buf := make([]byte, 1000)
	for _, offset := range []int64{0, 1000, 500, size - 1000, 2000, 2000} {
		if at(o.Seek(offset, io.SeekStart)) != offset {
			t.Errorf("Seek to %d", offset)
		}
		if _, err := io.ReadFull(o, buf); err != nil || !bytes.Equal(buf, want[offset:offset+1000]) {
			t.Errorf("at %d: %v, or other octets", offset, err)
		}
	}
	if now := at(o.Seek(-1000, io.SeekCurrent)); now != 2000 {
		t.Errorf("1000 octets before 3000 is %d", now)
	}
	at(o.Seek(0, io.SeekEnd))
	if n, err := o.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d octets, %v", n, err)
	}
	if _, err := o.Seek(-1, io.SeekStart); err == nil {
		t.Error("Seek before the start")
	}
	small, err := st.Store.Open(t.Context(), put(t, st.Store, 200))
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if err := iotest.TestReader(small, want[:200]); err != nil {
		t.Error(err)
	}
}

// testKeys tries keys that NewKey does not make.
func testKeys(t *testing.T, st Stage) {
	good := newKey()
	odd := []string{
		"", "a", good[:31], good + "0", "../" + good[3:], "..\\" + good[3:], good[:31] + "/", good[:31] + "\x00",
		good[:31] + "A", good[:31] + "?", good[:31] + "%", good[:31] + "\n", good[:30] + "ü", good[:31] + " ",
		good[:31] + "*",
	}
	for _, key := range odd {
		err := st.Store.Put(t.Context(), key, 1, func() io.Reader { return some(1) })
		wantErr(t, fmt.Sprintf("Put %q", key), err, blob.ErrKey)
		_, err = st.Store.Open(t.Context(), key)
		wantErr(t, fmt.Sprintf("Open %q", key), err, blob.ErrKey)
		wantErr(t, fmt.Sprintf("Delete %q", key), st.Store.Delete(t.Context(), key), blob.ErrKey)
	}
	nothing(t, st.Store)
}

func testMissing(t *testing.T, st Stage) {
	key := put(t, st.Store, 10)
	for range 2 { // the second time, there is nothing
		if err := st.Store.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	_, err := st.Store.Open(t.Context(), key)
	wantErr(t, "Open", err, blob.ErrNotFound)
	nothing(t, st.Store)
}

// testList lists more objects than an answer of a store holds.
func testList(t *testing.T, st Stage) {
	nothing(t, st.Store)
	var keys []string
	for range 25 {
		keys = append(keys, put(t, st.Store, 7))
	}
	slices.Sort(keys)
	if got := keysOf(t, st.Store); !slices.Equal(got, keys) {
		t.Errorf("listed %q, want %q", got, keys)
	}
	enough, calls := errors.New("enough"), 0
	err := st.Store.List(t.Context(), func(i blob.Info) error {
		calls++
		if i.Size != 7 || i.Stored.IsZero() {
			t.Errorf("%+v", i)
		}
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// testConcurrent stores many objects at once, and one key from all sides.
func testConcurrent(t *testing.T, st Stage) {
	var wg sync.WaitGroup
	same := newKey()
	for i := range 20 {
		wg.Go(func() {
			n := int64(i) * 1000
			key := newKey()
			if err := st.Store.Put(t.Context(), key, n, func() io.Reader { return some(n) }); err != nil {
				t.Error(err)
			}
			_ = st.Store.Put(t.Context(), same, 5000, func() io.Reader { return some(5000) }) // one must succeed
			if got := get(t, st.Store, key); !bytes.Equal(got, bytesOf(t, n)) {
				t.Errorf("%d octets came back as %d others", n, len(got))
			}
		})
	}
	wg.Wait()
	if got := get(t, st.Store, same); !bytes.Equal(got, bytesOf(t, 5000)) {
		t.Errorf("one key stored from all sides has %d other octets", len(got))
	}
	if got := len(keysOf(t, st.Store)); got != 21 {
		t.Errorf("%d objects, want 21", got)
	}
}

// testContent stores content that is not what was stated, or that fails.
func testContent(t *testing.T, st Stage) {
	broken := errors.New("broken")
	tests := []struct {
		name   string
		reader func() io.Reader
		want   error
	}{
		{"short", func() io.Reader { return some(99_999) }, blob.ErrContent},
		{"long", func() io.Reader { return some(100_001) }, blob.ErrContent},
		{"empty", func() io.Reader { return some(0) }, blob.ErrContent},
		{"broken", func() io.Reader { return io.MultiReader(some(50_000), iotest.ErrReader(broken)) }, broken},
	}
	for _, test := range tests {
		err := st.Store.Put(t.Context(), newKey(), 100_000, test.reader)
		wantErr(t, test.name, err, test.want)
		if errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("%s: the store is blamed: %v", test.name, err)
		}
	}
	nothing(t, st.Store)
}

// hooked calls a function once, after so many octets were read, and counts what is read after the last.
type hooked struct {
	io.Reader
	after int64
	hook  func()
	ended *atomic.Bool
	late  *atomic.Int64
}

// Read reads octets, and calls the hook when it is due.
func (h *hooked) Read(p []byte) (int, error) {
	if h.ended.Load() {
		h.late.Add(1)
	}
	n, err := h.Reader.Read(p)
	h.after -= int64(n)
	if h.after <= 0 && h.hook != nil {
		h.hook()
		h.hook = nil
	}
	return n, err
}

// putHooked stores size octets, calls hook in the middle of the last pass, and fails the test if the reader is
// used after Put has returned.
func putHooked(t *testing.T, ctx context.Context, s blob.Store, size int64, hook func()) error {
	t.Helper()
	var once sync.Once
	var ended atomic.Bool
	var late atomic.Int64
	err := s.Put(ctx, newKey(), size, func() io.Reader {
		return &hooked{Reader: some(size), after: size / 2, hook: func() { once.Do(hook) }, ended: &ended, late: &late}
	})
	ended.Store(true)
	runtime.Gosched()
	if late.Load() > 0 {
		t.Error("the content was read after Put had returned")
	}
	return err
}

func testCanceled(t *testing.T, st Stage) {
	ctx, cancel := context.WithCancel(t.Context())
	err := putHooked(t, ctx, st.Store, 4<<20, cancel)
	wantErr(t, "Put", err, context.Canceled)
	nothing(t, st.Store)
}

func testDownAtPut(t *testing.T, st Stage) {
	st.Down()
	err := st.Store.Put(t.Context(), newKey(), 100, func() io.Reader { return some(100) })
	wantErr(t, "Put", err, blob.ErrUnavailable)
	wantErr(t, "Ping", st.Store.Ping(t.Context()), blob.ErrUnavailable)
	wantErr(t, "Delete", st.Store.Delete(t.Context(), newKey()), blob.ErrUnavailable)
	wantErr(t, "List", st.Store.List(t.Context(), func(blob.Info) error { return nil }), blob.ErrUnavailable)
	st.Up()
	nothing(t, st.Store)
	put(t, st.Store, 100)
}

func testDownWithinPut(t *testing.T, st Stage) {
	err := putHooked(t, t.Context(), st.Store, 4<<20, st.Down)
	wantErr(t, "Put", err, blob.ErrUnavailable)
	st.Up()
	for _, key := range keysOf(t, st.Store) { // only what Delete removes
		if _, err := st.Store.Open(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("half an object: %v", err)
		}
		if err := st.Store.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	nothing(t, st.Store)
}

func testDownAtOpen(t *testing.T, st Stage) {
	key := put(t, st.Store, 100)
	st.Down()
	for _, k := range []string{key, newKey()} {
		_, err := st.Store.Open(t.Context(), k)
		wantErr(t, "Open", err, blob.ErrUnavailable)
	}
	st.Up()
	get(t, st.Store, key)
}

// testDownWithinRead takes the store away in the middle of a download: the rest fails, or is whole.
func testDownWithinRead(t *testing.T, st Stage) {
	const size = 16 << 20
	key := put(t, st.Store, size)
	o, err := st.Store.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := io.CopyN(io.Discard, o, 1000); err != nil {
		t.Fatal(err)
	}
	st.Down()
	n, err := io.Copy(io.Discard, o)
	if err == nil && n != size-1000 {
		t.Errorf("%d of %d octets, and no error", n, size-1000)
	}
	if err != nil {
		wantErr(t, "Read", err, blob.ErrUnavailable)
	}
	st.Up()
}

// testShortened reads an object that lost its end: its size shows it, or reading fails.
func testShortened(t *testing.T, st Stage) {
	key := put(t, st.Store, 1000)
	st.Shorten(key)
	o, err := st.Store.Open(t.Context(), key)
	if err != nil {
		wantErr(t, "Open", err, blob.ErrUnavailable)
		return
	}
	defer o.Close()
	if _, err := io.Copy(io.Discard, o); err == nil && o.Size() != 999 {
		t.Errorf("999 octets were read, and Size is %d", o.Size())
	}
}

// testMemory stores and reads 25 MB without holding them.
func testMemory(t *testing.T, st Stage) {
	const size, most = 25 << 20, 2 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	key := put(t, st.Store, size)
	o, err := st.Store.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if n, err := io.Copy(io.Discard, o); n != size || err != nil {
		t.Errorf("%d octets, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
		t.Errorf("%d octets were allocated for a file of %d", allocated, size)
	}
}
