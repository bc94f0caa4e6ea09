package sqlite

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heyrelay/internal/spool"
	"heyrelay/test/mailbody"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// plenty is a rate that never makes anybody wait.
const plenty = 1 << 40

// openSpool opens a new spool, until the test ends.
func openSpool(t testing.TB, o Options) *Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "spool.db"), o)
}

// openFile opens the spool at path, until the test ends.
func openFile(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// plain is 4 KB of text.
var plain = mailbody.Plain()

// mail makes the n-th message, of 4 KB, to one recipient, in a thread of its own.
func mail(n int64) *spool.Message {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	hash := sha256.Sum256(b[:])
	own := spool.Key(hash[:16])
	return &spool.Message{
		QueueID:        fmt.Sprintf("Q%d", n),
		Accepted:       epoch,
		Client:         "127.0.0.1",
		Sender:         "app@example.com",
		Route:          fmt.Sprintf("route-%d", n%20),
		Team:           "shop",
		Inbox:          202,
		Title:          "Hello",
		BaseSubject:    "hello",
		Fingerprint:    hash,
		DuplicateSince: epoch.Add(-time.Hour),
		HTML:           "<p>" + plain,
		Text:           plain,
		Raw:            []byte(plain),
		Requests: []spool.Request{{
			LocalID:      fmt.Sprintf("%x", hash[16:]),
			To:           []string{"alice@example.com"},
			Participants: "alice@example.com",
			Priority:     spool.Normal,
			Lookup:       []spool.Key{own},
			Own:          []spool.Key{own},
		}},
	}
}

// fill accepts n messages, from many clients at once.
func fill(t testing.TB, s *Store, n int64) {
	each(64, n, func(i int64) {
		if _, err := s.Accept(t.Context(), mail(i)); err != nil {
			t.Error(err)
		}
	})
}

// each calls f for 0 to n-1 from some goroutines at once.
func each(goroutines int, n int64, f func(i int64)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

func BenchmarkAccept(b *testing.B) {
	for _, producers := range []int{1, 32, 64} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			s := openSpool(b, Options{})
			b.ResetTimer()
			each(producers, int64(b.N), func(i int64) {
				if _, err := s.Accept(b.Context(), mail(i)); err != nil {
					b.Error(err)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkAcceptMany accepts messages to 1,000 blind recipients that cite as many ids
// as intake allows with that many. Nobody else is served meanwhile.
func BenchmarkAcceptMany(b *testing.B) {
	s := openSpool(b, Options{})
	const recipients, ids = 1000, 4
	var n int64
	for b.Loop() {
		n++
		m := mail(n)
		m.Requests = nil
		for r := range int64(recipients) {
			q := mail(n*recipients + r).Requests[0]
			q.Participants = fmt.Sprintf("r%d@example.com", r)
			q.Cited = nil
			for id := range int64(ids) {
				q.Cited = append(q.Cited, mail((n*recipients+r)*ids + id + 1<<40).Requests[0].Own[0])
			}
			q.Lookup = slices.Concat(q.Cited, q.Own)
			m.Requests = append(m.Requests, q)
		}
		if _, err := s.Accept(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLife accepts, claims and finishes at once, as serve does.
func BenchmarkLife(b *testing.B) {
	s := openSpool(b, Options{})
	room := spool.Capacity{Team: "shop", Rate: plenty, Free: 64, Lasts: true}
	b.ResetTimer()
	var wg sync.WaitGroup
	accepted := make(chan struct{}, 1)
	wg.Go(func() {
		each(64, int64(b.N), func(i int64) {
			if _, err := s.Accept(b.Context(), mail(i)); err != nil {
				b.Error(err)
			}
			select {
			case accepted <- struct{}{}:
			default:
			}
		})
	})
	var tasks []*spool.Task
	for sent := 0; sent < b.N && !b.Failed(); {
		handed, more := s.Handed()
		tasks = append(tasks, handed...)
		if len(tasks) == 0 && !more {
			<-accepted
			continue
		}
		outcomes := make([]spool.Outcome, len(tasks))
		for i, t := range tasks {
			outcomes[i] = spool.Outcome{
				Task:      t,
				State:     spool.Sent,
				ConvoID:   t.Request,
				MessageID: t.Request,
				Status:    200,
			}
		}
		turned, err := s.Turn(b.Context(), epoch, outcomes, time.Minute, room)
		if err != nil {
			b.Fatal(err)
		}
		sent += len(tasks)
		tasks = turned.Tasks
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkClaim claims one of many that wait, and gives it back.
func BenchmarkClaim(b *testing.B) {
	for _, waiting := range []int64{1000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			s := openSpool(b, Options{})
			fill(b, s, waiting)
			room := spool.Capacity{Team: "shop", Rate: plenty, Free: 1}
			for b.Loop() {
				tasks, _, err := s.Claim(b.Context(), epoch, time.Minute, room)
				if err != nil || len(tasks) != 1 {
					b.Fatal(len(tasks), err)
				}
				if err := s.Unclaim(b.Context(), tasks...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
