package relay

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

// get returns the status and the body of a page.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// The pages count what the relay does, and answer the probes of an orchestrator.
func TestPages(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "spool.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	broken := &switched{Store: store}
	cfg := parse(t, oneRoute+"metrics: {address: \"127.0.0.1:0\"}\n")
	sent := sink{events.Sent, make(chan events.Event, 1)}
	r, err := New(cfg, Parts{
		Store: broken, Sink: sent, Random: rand.Reader, Transport: sandbox.New(sandbox.Options{}),
		Listen: net.Listen, UserAgent: "heyrelay/v1.2.3",
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, r)
	pages := "http://" + r.PagesAddr().String()
	env := &smtpd.Envelope{QueueID: "Q1", From: "app@example.com", Rcpt: []string{"alice@example.com"}}
	if reply := r.Handle(t.Context(), env, []byte("To: alice@example.com\r\nSubject: x\r\n\r\nx\r\n")); reply.Code != 250 {
		t.Fatalf("%+v", reply)
	}
	<-sent.got
	code, body := get(t, pages+"/metrics")
	for _, series := range []string{
		`heyrelay_messages_accepted_total{route="inbox-202"} 1`, `heyrelay_build_info{version="v1.2.3"} 1`,
		`heyrelay_requests_finished_total{outcome="failed",route="inbox-202"} 0`,
	} {
		if code != 200 || !strings.Contains(body, series) {
			t.Errorf("%d without %s\n%s", code, series, body)
		}
	}
	if code, body := get(t, pages+"/livez"); code != 200 || body != "alive\n" {
		t.Errorf("livez: %d %s", code, body)
	}
	if code, body := get(t, pages+"/readyz"); code != 200 || !strings.Contains(body, `"status":"serving"`) {
		t.Errorf("readyz: %d %s", code, body)
	}
	broken.full.Store(true)
	if code, body := get(t, pages+"/readyz"); code != 503 || !strings.Contains(body, "the spool accepts no mail") {
		t.Errorf("readyz of a full spool: %d %s", code, body)
	}
	if code, _ := get(t, pages+"/livez"); code != 200 {
		t.Errorf("livez of a full spool: %d", code)
	}
	stop()
	if _, err := http.Get(pages + "/livez"); err == nil {
		t.Error("the pages are served after the end")
	}
}

// switched is a store that is full on demand.
type switched struct {
	spool.Store
	full atomic.Bool
}

func (s *switched) Ping(ctx context.Context) error {
	if s.full.Load() {
		return spool.ErrFull
	}
	return s.Store.Ping(ctx)
}

// The log has the address of each listener, of SMTP and of pages.
func TestListening(t *testing.T) {
	served := sink{events.Listening, make(chan events.Event, 3)}
	text := oneRoute + "metrics: {address: \"127.0.0.1:0\"}\n"
	r, err := New(parse(t, text), Parts{Store: open(t), Sink: served, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	want := []string{r.PagesAddr().String(), r.Addrs()[0].String()}
	stop := run(t, r)
	for range want {
		select {
		case e := <-served.got:
			got = append(got, e.Address)
		case <-time.After(5 * time.Second):
		}
	}
	stop()
	if !slices.Equal(got, want) {
		t.Errorf("served are %v, want %v", got, want)
	}
}
