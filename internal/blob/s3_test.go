package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fake opens a bucket that a function serves.
func fake(t *testing.T, serve http.HandlerFunc) *bucket {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	root, err := url.Parse(server.URL + "/files/")
	if err != nil {
		t.Fatal(err)
	}
	transport := newTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return &bucket{
		root:      root,
		region:    "us-east-1",
		accessKey: func() string { return "access" },
		secretKey: func() string { return "sesame" },
		now:       time.Now,
		pageSize:  1000,
		transport: transport,
	}
}

// anyKey is a key.
var anyKey = strings.Repeat("0", keyLength)

// putHello stores five octets.
func putHello(ctx context.Context, b *bucket) error {
	return b.Put(ctx, anyKey, 5, func() io.Reader { return strings.NewReader("hello") })
}

// A store that fails for a moment is asked again, with the whole content each time.
func TestBucketRetries(t *testing.T) {
	for _, status := range []int{500, 503, 429} {
		var calls atomic.Int32
		b := fake(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if string(body) != "hello" || err != nil || r.ContentLength != 5 {
				t.Errorf("body %q, %v", body, err)
			}
			w.Header().Set("ETag", `"digest"`)
			if calls.Add(1) < attempts {
				w.WriteHeader(status)
			}
		})
		if err := putHello(t.Context(), b); err != nil || calls.Load() != attempts {
			t.Errorf("%d: %v after %d calls", status, err, calls.Load())
		}
	}
}

// A refusal is of its kind, and repeats neither the secret nor what was signed. Only what may succeed later is
// tried again.
func TestBucketRefusals(t *testing.T) {
	tests := []struct {
		status int
		code   string
		want   error
		calls  int32
	}{
		{400, "XAmzContentSHA256Mismatch", ErrUnavailable, 1},
		{403, "SignatureDoesNotMatch", ErrDenied, 1},
		{403, "RequestTimeTooSkewed", ErrDenied, 1},
		{401, "", ErrDenied, 1},
		{404, "NoSuchBucket", ErrUnavailable, 1},
		{404, "NoSuchKey", ErrNotFound, 1},
		{404, "", ErrUnavailable, 1},
		{301, "PermanentRedirect", ErrUnavailable, 1},
		{307, "TemporaryRedirect", ErrUnavailable, 1},
		{507, "QuotaExceeded", ErrFull, attempts},
		{503, "SlowDown", ErrUnavailable, attempts},
	}
	for _, test := range tests {
		var calls atomic.Int32
		b := fake(t, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(test.status)
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>sesame</Message></Error>", test.code)
		})
		err := putHello(t.Context(), b)
		if !errors.Is(err, test.want) || calls.Load() != test.calls {
			t.Errorf("%d %s: %v after %d calls, want %q after %d", test.status, test.code, err, calls.Load(),
				test.want, test.calls)
		}
		if strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), test.code) {
			t.Errorf("%d %s: %v", test.status, test.code, err)
		}
	}
}

// What is no list of objects is not taken for an empty one, although its status is 200.
func TestBucketListsNothingElse(t *testing.T) {
	for _, body := range []string{
		"<Error><Code>InternalError</Code></Error>",
		"<!DOCTYPE html><html><body>Log in</body></html>",
		`{"objects": []}`,
		"",
	} {
		b := fake(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		if err := b.Ping(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// What somebody else answers, such as a proxy with a page of its own, confirms no object, and is none.
func TestBucketStoresNothingElsewhere(t *testing.T) {
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>Log in</body></html>")
	})
	if err := putHello(t.Context(), b); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	if o, err := b.Open(t.Context(), anyKey); !errors.Is(err, ErrUnavailable) {
		t.Errorf("opened %v, %v", o, err)
	}
}

// Responses are bounded, whatever they say.
func TestBucketAnswersWithoutEnd(t *testing.T) {
	var sent atomic.Int64
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "<ListBucketResult><Code>")
		for r.Context().Err() == nil && sent.Load() < 64<<20 {
			n, err := w.Write(bytes.Repeat([]byte("a"), 1<<16))
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	_, err := b.Open(t.Context(), anyKey)
	if !errors.Is(err, ErrUnavailable) || len(err.Error()) > 500 {
		t.Errorf("%.600v", err)
	}
	if sent.Load() > 8<<20 {
		t.Errorf("%d octets were taken", sent.Load())
	}
}

// An object is the rest of what was asked for, or an error.
func TestBucketRanges(t *testing.T) {
	const text = "0123456789"
	tests := map[string]http.HandlerFunc{
		"ignored": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) },
		"other": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 4-9/10")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, text[5:])
		},
		"shorter": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 5-8/10")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, text[5:9])
		},
		"changed": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-Match") == `"1"` {
				w.WriteHeader(http.StatusPreconditionFailed)
			}
		},
	}
	for name, serve := range tests {
		b := fake(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"1"`)
			if r.Header.Get("Range") == "" {
				_, _ = io.WriteString(w, text)
				return
			}
			serve(w, r)
		})
		o, err := b.Open(t.Context(), anyKey)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Seek(5, io.SeekStart); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(o); !errors.Is(err, ErrUnavailable) || len(got) > 0 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		_ = o.Close()
	}
}

// Reading in order, and looking for the size first as net/http does, is one request.
func TestBucketRequestsOnce(t *testing.T) {
	var calls atomic.Int32
	b := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("ETag", `"digest"`)
		_, _ = io.WriteString(w, "0123456789")
	})
	o, err := b.Open(t.Context(), anyKey)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	http.ServeContent(w, httptest.NewRequest(http.MethodGet, "/a.txt", nil), "a.txt", time.Time{}, o)
	if w.Body.String() != "0123456789" || calls.Load() != 1 || o.Close() != nil {
		t.Errorf("%q by %d requests", w.Body, calls.Load())
	}
}

// A listing that says that it goes on, but not how, is no complete one.
func TestBucketListsCompletely(t *testing.T) {
	for _, token := range []string{"", "again"} {
		b := fake(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%s"+
				"</NextContinuationToken></ListBucketResult>", token)
		})
		if err := b.List(t.Context(), func(Info) error { return nil }); !errors.Is(err, ErrUnavailable) {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

// A listing that was cut is no complete one.
func TestBucketListIsWhole(t *testing.T) {
	b := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<ListBucketResult><IsTruncated>false</IsTruncated>")
	})
	if err := b.List(t.Context(), func(Info) error { return nil }); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

// A connection that is silent for too long ends; one on which something happens goes on.
func TestConnectionStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go func() {
			for range 3 {
				<-time.After(stall - time.Second)
				_, _ = theirs.Write([]byte("a"))
			}
		}()
		began, n := time.Now(), 0
		var err error
		for err == nil {
			_, err = impatient{ours}.Read(make([]byte, 1))
			n++
		}
		if took := time.Since(began); n != 4 || took != 4*stall-3*time.Second {
			t.Errorf("%v after %d reads, %v", err, n, took)
		}
		if _, err := (impatient{ours}).Write([]byte("a")); err == nil {
			t.Error("nobody took what was written")
		}
	})
}

// The URL of a store is checked, and an error does not repeat a password in it.
func TestURLs(t *testing.T) {
	tests := []struct{ url, want string }{
		{"file:///var/lib/heyrelay/blobs", ""},
		{"s3://files?endpoint=https://minio.example.com:9000", ""},
		{"s3://files/mail?endpoint=https://minio.example.com:9000/&region=eu-central-1&style=virtual", ""},
		{"s3://files?endpoint=http://127.0.0.1:9000", ""},
		{"s3://files?endpoint=http://[::1]:9000&style=path", ""},
		{"", "neither a directory nor a bucket"},
		{"/var/lib/heyrelay/sesame", "neither a directory nor a bucket"},
		{"https://files.example.com/sesame", "neither a directory nor a bucket"},
		{"file://sesame/x", "absolute path"},
		{"file:sesame", "absolute path"},
		{"file:///blobs?sesame", "absolute path"},
		{"file:///", "directory of its own"},
		{"s3://access:sesame@files", "contains a login"},
		{"s3://files", "no endpoint"},
		{"s3://files?endpoint=minio:9000", "no endpoint"},
		{"s3://files?endpoint=%zz", "unreadable"},
		{"s3://files?endpoint=https://a%20sesame", "no endpoint"},
		{"s3://files?secret_key=sesame", "unknown parameter"},
		{"s3://files?region=sesame!", "region"},
		{"s3://files?region=a&region=sesame", "more than once"},
		{"s3://files?style=sesame", "path or virtual"},
		{"s3://files?endpoint=https://access:sesame@minio", "contains a login"},
		{"s3://files?endpoint=https://minio/sesame", "more than a host"},
		{"s3://files?endpoint=http://minio:9000", "unencrypted"},
		{"s3://files?endpoint=http://127.0.0.1:9000&style=virtual", "style=path"},
		{"s3://Files?endpoint=https://minio", "does not name a bucket"},
		{"s3://?endpoint=https://minio", "does not name a bucket"},
		{"s3://files/a/../b?endpoint=https://minio", "prefix"},
		{"s3://files/a%20b?endpoint=https://minio", "prefix"},
		{"s3://files#sesame", "#"},
	}
	for _, test := range tests {
		err := CheckURL(test.url)
		if err == nil && test.want == "" {
			continue
		}
		if !errors.As(err, new(Mistake)) || test.want == "" || !strings.Contains(err.Error(), test.want) ||
			strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v, want %q", test.url, err, test.want)
		}
	}
}

// A bucket is addressed in its path, or in the name of the host.
func TestBucketAddresses(t *testing.T) {
	tests := map[string]string{
		"s3://files?endpoint=https://minio:9000":                "https://minio:9000/files/a",
		"s3://files/b/c?endpoint=https://minio":                 "https://minio/files/b/c/a",
		"s3://files/?endpoint=https://minio:9000&style=virtual": "https://files.minio:9000/a",
	}
	for location, want := range tests {
		secret := func() string { return "sesame" }
		s, err := Open(location, Options{AccessKey: secret, SecretKey: secret})
		if err != nil {
			t.Fatal(err)
		}
		b := s.(*bucket)
		if got := b.request(t.Context(), http.MethodGet, b.prefix+"a", nil).URL.String(); got != want {
			t.Errorf("%s: %s, want %s", location, got, want)
		}
	}
	if _, err := Open("s3://files?endpoint=https://minio", Options{}); err == nil {
		t.Error("a bucket without credentials")
	}
}

// Once Put has returned, nothing reads the content, though the transport may want more of it.
func TestBucketReadsNothingLater(t *testing.T) {
	b := fake(t, nil)
	var body io.ReadCloser
	b.transport = roundTripper(func(req *http.Request) (*http.Response, error) {
		body = req.Body
		return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody}, nil
	})
	if err := putHello(t.Context(), b); !errors.Is(err, ErrDenied) {
		t.Error(err)
	}
	if got, err := io.ReadAll(body); len(got) > 0 || err == nil {
		t.Errorf("%q was read later, %v", got, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
