package disk

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"heyrelay/internal/blob"
)

// A disk that is full, or read-only, is an error of its kind and keeps nothing of a file; the store goes on by
// itself when there is room again.
func TestBlobs(t *testing.T) {
	dir := small(t)
	path := filepath.Join(dir, "blobs")
	store, err := blob.Open("file://"+path, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func() error {
		return store.Put(t.Context(), blob.Owner{}.NewKey(rand.Reader), 2<<20, func() io.Reader {
			return io.LimitReader(rand.Reader, 2<<20)
		})
	}
	ballast := stuff(t, dir)
	if err := os.Truncate(ballast, 95<<20); err != nil { // room for the beginning of a file
		t.Fatal(err)
	}
	if err := put(); !errors.Is(err, blob.ErrFull) {
		t.Errorf("full: %v", err)
	}
	checkEmpty(t, store)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	remount(t, dir, syscall.MS_RDONLY)
	if err := put(); !errors.Is(err, blob.ErrDenied) {
		t.Errorf("read-only: %v", err)
	}
	if err := store.Ping(t.Context()); !errors.Is(err, blob.ErrDenied) {
		t.Errorf("read-only: Ping: %v", err)
	}
	remount(t, dir, 0)
	if err := errors.Join(put(), store.Ping(t.Context())); err != nil {
		t.Errorf("writable again: %v", err)
	}
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, "size=96m,mode=0700"); err != nil {
		t.Fatal(err)
	}
}

// checkEmpty fails the test if something is stored, whole or not.
func checkEmpty(t *testing.T, store blob.Store) {
	t.Helper()
	err := store.List(t.Context(), func(i blob.Info) error {
		t.Errorf("%d octets remained", i.Size)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
