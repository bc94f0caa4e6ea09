package blob_test

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heyrelay/internal/blob"
	"heyrelay/internal/blob/blobtest"
	"heyrelay/test/process"
)

func TestFolder(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Stage {
		dir := filepath.Join(t.TempDir(), "blobs")
		store, err := blob.Open("file://"+filepath.ToSlash(dir), blob.Options{})
		if err != nil {
			t.Fatal(err)
		}
		move := func(from, to string) func() {
			return func() {
				if err := os.Rename(from, to); err != nil {
					t.Error(err)
				}
			}
		}
		return blobtest.Stage{
			Store: store,
			Down:  move(dir, dir+".away"),
			Up:    move(dir+".away", dir),
			Shorten: func(key string) {
				if err := os.Truncate(filepath.Join(dir, key[:2], key[2:]), 999); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

// A real S3-compatible server that checks signatures: each test has one of its own, which it may kill.
func TestBucket(t *testing.T) {
	binary := process.BuildS3(t)
	blobtest.Run(t, func(t *testing.T) blobtest.Stage {
		server := process.StartS3(t, binary)
		store := openBucket(t, server, server.URL)
		blob.SetPageSize(store, 10)
		return blobtest.Stage{
			Store: store,
			Down:  server.Kill,
			Up:    server.Start,
			Shorten: func(key string) {
				if err := os.Truncate(filepath.Join(server.Folder, key), 999); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

// openBucket opens a bucket of the server with its credentials.
func openBucket(t *testing.T, server *process.S3, url string) blob.Store {
	t.Helper()
	store, err := blob.Open(url, blob.Options{
		AccessKey: func() string { return server.AccessKey },
		SecretKey: func() string { return server.SecretKey },
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// What is wrong with a request is an error of its kind.
func TestBucketErrors(t *testing.T) {
	server := process.StartS3(t, process.BuildS3(t))
	good := openBucket(t, server, server.URL)
	put := func(s blob.Store) error {
		key := blob.Owner{}.NewKey(rand.Reader)
		return s.Put(t.Context(), key, 5, func() io.Reader { return strings.NewReader("hello") })
	}
	if err := put(good); err != nil {
		t.Fatal(err)
	}
	wrong := *server
	wrong.SecretKey = "wrong"
	unknown := *server
	unknown.AccessKey = "unknown"
	tests := map[string]struct {
		store blob.Store
		want  error
	}{
		"secret key": {openBucket(t, &wrong, server.URL), blob.ErrDenied},
		"access key": {openBucket(t, &unknown, server.URL), blob.ErrDenied},
		"bucket":     {openBucket(t, server, strings.Replace(server.URL, "heyrelay-files", "other", 1)), blob.ErrUnavailable},
		"region":     {openBucket(t, server, strings.Replace(server.URL, "central", "west", 1)), blob.ErrUnavailable},
	}
	for name, test := range tests {
		_, err := test.store.Open(t.Context(), blob.Owner{}.NewKey(rand.Reader))
		for what, err := range map[string]error{"Put": put(test.store), "Open": err, "Ping": test.store.Ping(t.Context())} {
			if !errors.Is(err, test.want) || errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%s: %s: %v, want %q", name, what, err, test.want)
			}
		}
	}
}

// Stores with prefixes share a bucket, each with its own objects.
func TestBucketPrefix(t *testing.T) {
	server := process.StartS3(t, process.BuildS3(t))
	a := openBucket(t, server, strings.Replace(server.URL, "?", "/mail/a?", 1))
	b := openBucket(t, server, strings.Replace(server.URL, "?", "/mail/b/?", 1))
	key := blob.Owner{}.NewKey(rand.Reader)
	if err := a.Put(t.Context(), key, 5, func() io.Reader { return strings.NewReader("hello") }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(server.Folder, "mail", "a", key)); err != nil {
		t.Error(err)
	}
	if _, err := b.Open(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("the other prefix: %v", err)
	}
	for _, s := range []blob.Store{a, b} {
		n := 0
		err := s.List(t.Context(), func(i blob.Info) error {
			n++
			return nil
		})
		if want := map[blob.Store]int{a: 1, b: 0}[s]; err != nil || n != want {
			t.Errorf("%d objects, want %d, %v", n, want, err)
		}
	}
}
