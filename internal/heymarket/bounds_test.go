package heymarket_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/heymarket"
)

// overNetwork makes a client of a server with one handler.
func overNetwork(t *testing.T, handler http.HandlerFunc) *heymarket.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	transport := heymarket.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	c, err := heymarket.New(heymarket.Options{BaseURL: server.URL, APIKey: "k3y", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSwitchingProtocols: after a 101 the body is the connection, which no
// deadline of the call ends. The call fails at once and closes it.
func TestSwitchingProtocols(t *testing.T) {
	closed := make(chan error, 1)
	c := overNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			closed <- err
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		conn.SetReadDeadline(time.Now().Add(3 * time.Second)) // only a broken client waits for it
		_, err = buffered.ReadByte()
		closed <- err
	})
	_, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
	if e := failure(t, err); e.Status != 101 || !e.Unknown || !strings.Contains(e.Reason, "not final") {
		t.Errorf("%+v", e)
	}
	if err := <-closed; !errors.Is(err, io.EOF) {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// stubborn is a body that ends only when it is closed.
type stubborn chan struct{}

func (s stubborn) Read([]byte) (int, error) {
	<-s
	return 0, errors.New("closed")
}

func (s stubborn) Close() error {
	select {
	case <-s:
	default:
		close(s)
	}
	return nil
}

// TestBodiesEndWithTheCall: a body that ignores the context is closed.
func TestBodiesEndWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, carrier(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: make(stubborn), Request: r}, nil
		}))
		begun := time.Now()
		_, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
		e := failure(t, err)
		if took := time.Since(begun); took != 30*time.Second || !e.Unknown || !strings.Contains(e.Reason, "timed out") {
			t.Errorf("after %v: %+v", took, e)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Inboxes(ctx)
		if e := failure(t, err); !strings.Contains(e.Reason, "cancelled") {
			t.Errorf("%+v", e)
		}
	})
}

// hugeList is a list of 31 MB.
func hugeList() []byte {
	element := `{"id": 1, "local_id": "l-1", "date": "2026-11-01T12:00:00Z", "text": "` + strings.Repeat("x", 1000) + `"}`
	rest := bytes.Repeat([]byte(","+element), 31<<20/len(element))
	return slices.Concat([]byte("["+element), rest, []byte("]"))
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestListsTakeLittleMemory: of a list, 4 MB are read, after decompression.
func TestListsTakeLittleMemory(t *testing.T) {
	plain := hugeList()
	small := zipped(t, plain)
	for _, test := range []struct {
		encoding string
		body     []byte
	}{{"", plain}, {"gzip", small}} {
		c := overNetwork(t, func(w http.ResponseWriter, _ *http.Request) {
			if test.encoding != "" {
				w.Header().Set("Content-Encoding", test.encoding)
			}
			w.Write(test.body)
		})
		var before, between, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.Inboxes(t.Context())
		runtime.ReadMemStats(&between)
		s, searchErr := c.FindMessage(t.Context(), "x", start.Add(-time.Hour), start, nil, nil)
		runtime.ReadMemStats(&after)
		if !strings.Contains(failure(t, err).Reason, "longer than") {
			t.Errorf("inboxes %s: %v", test.encoding, err)
		}
		if s.Found || s.Complete || searchErr != nil {
			t.Errorf("search %s: %+v, %v", test.encoding, s, searchErr)
		}
		list := (between.TotalAlloc - before.TotalAlloc) >> 20
		page := (after.TotalAlloc - between.TotalAlloc) >> 20 / uint64(s.Pages)
		t.Logf("%q: allocated %d MB for a list, %d MB for a page", test.encoding, list, page)
		if list > 40 || page > 40 {
			t.Errorf("%q: allocated %d MB for a list, %d MB for a page", test.encoding, list, page)
		}
	}
}

// TestOneElementIsBounded, too: a single message may be all of a list.
func TestOneElementIsBounded(t *testing.T) {
	body := `[{"id": 1, "text": "` + strings.Repeat("x", 5<<20) + `"}]`
	_, err := client(t, says200(body)).FindMessage(t.Context(), "x", start, start, nil, nil)
	if e := failure(t, err); !strings.Contains(e.Reason, "longer than 4194304 bytes") {
		t.Errorf("%+v", e)
	}
}

// largeMessages is a message list of pages of five messages with 1 MB each, one
// second between two messages, the newest at start.
func largeMessages(r *http.Request) (*http.Response, error) {
	var cursor struct{ Date time.Time }
	if err := json.NewDecoder(r.Body).Decode(&cursor); err != nil {
		return nil, err
	}
	text := strings.Repeat("x", 1<<20)
	first := max(0, int(start.Sub(cursor.Date)/time.Second)+1)
	var list []string
	for n := first; n < first+5; n++ {
		date := start.Add(-time.Duration(n) * time.Second).Format(time.RFC3339)
		m := fmt.Sprintf(`{"id": %d, "local_id": "l-%d", "date": %q, "text": "`, 1000-n, n, date)
		list = append(list, m+text+`"}`)
	}
	return says200("[" + strings.Join(list, ",") + "]")(r)
}

// TestSearchOfLargeMessages: a page that is cut is searched as far as it was read,
// and the next one continues there.
func TestSearchOfLargeMessages(t *testing.T) {
	for look, want := range map[string]string{"l-4": "found true, complete true", "x": "found false, complete true"} {
		c := client(t, carrier(largeMessages))
		s, err := c.FindMessage(t.Context(), look, start.Add(-5*time.Second), start, nil, nil)
		got := fmt.Sprintf("found %t, complete %t", s.Found, s.Complete)
		if got != want || err != nil || s.Pages < 2 {
			t.Errorf("%s: %s, %v; %d pages", look, got, err, s.Pages)
		}
	}
}

// TestCutPageIsNoEnd: a page that was cut and has nothing new does not pass for
// the end of the history.
func TestCutPageIsNoEnd(t *testing.T) {
	same := map[string]any{"id": 1, "date": start.Format(time.RFC3339), "text": strings.Repeat("x", 3<<20)}
	other := map[string]any{"id": 2, "date": start.Format(time.RFC3339), "text": strings.Repeat("x", 3<<20)}
	h := &history{page: func(time.Time) []any { return []any{same, other} }}
	s, err := client(t, h).FindMessage(t.Context(), "y", start.Add(-time.Hour), start, nil, nil)
	if err != nil || s.Complete || s.Found || s.Pages != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestInterruptedList: the end of the connection is not the end of the list.
func TestInterruptedList(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n[{\"id\": 202}"
	_, err := client(t, says(answer)).Inboxes(t.Context())
	if e := failure(t, err); e.Class != heymarket.Again || !strings.Contains(e.Reason, "was interrupted") {
		t.Errorf("%+v", e)
	}
	for _, odd := range []string{`[{"id": 202}`, `[{"id": 202}] x`, `[{"id": 202}, 7]`, `[{"id": 202},]`} {
		_, err := client(t, says200(odd)).Inboxes(t.Context())
		if e := failure(t, err); !strings.Contains(e.Reason, "not a list") {
			t.Errorf("%s: %+v", odd, e)
		}
	}
}

// TestPagesAreTakenBeforeTheyAreMade: each page waits for the caller, who may end
// the search.
func TestPagesAreTakenBeforeTheyAreMade(t *testing.T) {
	h := &history{page: pages(500, 30)}
	var taken []string
	budget := func(_ context.Context, made int) error {
		taken = append(taken, fmt.Sprintf("%d/%d", made, h.asked))
		if made == 3 {
			return errors.New("no budget")
		}
		return nil
	}
	s, err := client(t, h).FindMessage(t.Context(), "x", start.Add(-time.Hour), start, nil, budget)
	if err != nil || s.Complete || s.Found || s.Pages != 3 || h.asked != 3 {
		t.Errorf("%+v, %v; %d calls", s, err, h.asked)
	}
	if got := strings.Join(taken, " "); got != "0/0 1/1 2/2 3/3" {
		t.Errorf("taken: %s", got)
	}
}

// TestSlowSearchEndsWithItsContext: what was not seen by then is incomplete, not
// an error.
func TestSlowSearchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := pages(500, 30)
		c := client(t, carrier(func(r *http.Request) (*http.Response, error) {
			var cursor struct{ Date time.Time }
			if err := json.NewDecoder(r.Body).Decode(&cursor); err != nil {
				return nil, err
			}
			select {
			case <-time.After(10 * time.Second):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
			body, err := json.Marshal(list(cursor.Date))
			if err != nil {
				return nil, err
			}
			return says200(string(body))(r)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		begun := time.Now()
		s, err := c.FindMessage(ctx, "x", start.Add(-time.Hour), start, nil, nil)
		if err != nil || s.Complete || s.Found || s.Pages != 4 || time.Since(begun) != 35*time.Second {
			t.Errorf("after %v: %+v, %v", time.Since(begun), s, err)
		}
	})
}
