package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

// TestCases runs the files of testdata: messages go through the gateway, a real
// spool and the sandbox in simulated time. The first line of a file says what a
// reader must see; its sections are, in order:
//
//	config             keys of the route, in YAML; delivery: keys of delivery
//	mail               the envelope, "sender > recipient …", and the message
//	mail, broke off    the client is gone before it could hear the 250
//	pause, go          nothing is delivered in between
//	wait 10m           that time passes
//	fault NAME …       what the next calls run into (internal/sandbox has the names)
//	replies            what each mail was answered; * stands for anything, Q1 for the first mail's queue id
//	sent               what the API accepted, in order; C1 for the first conversation
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			a := txtar.Parse(text)
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { (&scene{t: t, dir: dir, see: string(a.Comment)}).play(a.Files) })
		})
	}
}

// scene is one case under way.
type scene struct {
	t       *testing.T
	dir     string
	see     string
	gateway *Gateway
	api     *sandbox.Sandbox
	paused  bool
	going   chan struct{} // closed when delivery begins
	replies []string
	stop    func()
}

func (s *scene) play(files []txtar.File) {
	sections := map[string]string{}
	for _, f := range files {
		sections[f.Name] = strings.TrimSpace(string(f.Data))
	}
	_, s.paused = sections["pause"]
	if s.going = make(chan struct{}); !s.paused {
		close(s.going)
	}
	s.open(sections["config"], sections["delivery"])
	for _, f := range files {
		s.step(f)
	}
	s.pass(10 * time.Minute)
	s.stop()
	if want, ok := sections["replies"]; ok {
		s.compareReplies(strings.Split(want, "\n"))
	}
	if got := s.sent(); got != sections["sent"] {
		s.t.Errorf("%s\nsent:\n%s\nwant:\n%s", s.see, got, sections["sent"])
	}
	if n := s.api.Stats().Conflicts; n > 0 {
		s.t.Errorf("a local_id was used %d times for another body", n)
	}
}

const sceneConfig = `
hostname: relay.example.com
teams:
  shop: {api_key: "${KEY}", concurrency: 1}
routes:
  - {name: other, inbox: 203, creator_id: 55, match: {sender: other@example.com}}
  - {name: bulk, inbox: 202, creator_id: 55, priority: bulk, match: {sender: bulk@example.com}}
  - {name: high, inbox: 202, creator_id: 55, priority: high, match: {sender: high@example.com}}
  - %s
delivery: %s
`

// open starts everything in the case's own house.
func (s *scene) open(route, delivery string) {
	if delivery == "" {
		delivery = "{}"
	}
	route = strings.TrimSuffix(strings.TrimSpace(route), "}")
	if route == "" {
		route = "{"
	} else {
		route += ", "
	}
	text := fmt.Sprintf(sceneConfig, route+"name: support, inbox: 202, creator_id: 55}", delivery)
	cfg, err := config.Parse("case", []byte(text), func(string) (string, bool) { return sandbox.DemoAPIKey, true })
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := sqlite.Open(s.t.Context(), filepath.Join(s.dir, "spool.db"), sqlite.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.api = sandbox.New(sandbox.Options{RatePerMinute: sandbox.APIRate})
	s.gateway, err = New(cfg, Parts{Store: store, Sink: testLog{s.t}, Transport: s.api, Random: rand.Reader, Listen: nowhere})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	s.stop = func() {
		cancel()
		running.Wait()
		if err := errors.Join(store.Check(context.Background()), store.Close()); err != nil {
			s.t.Error(err)
		}
	}
	running.Go(func() {
		<-s.going
		s.gateway.scheduler.Run(ctx)
	})
}

func (s *scene) step(f txtar.File) {
	verb, rest, _ := strings.Cut(f.Name, " ")
	switch strings.TrimSuffix(verb, ",") {
	case "mail":
		s.mail(string(f.Data), rest == "broke off")
	case "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			s.t.Fatal(err)
		}
		s.pass(d)
	case "fault":
		for _, name := range strings.Fields(rest) {
			s.api.Inject(1, sandbox.Fault(name), nil)
		}
	case "go":
		s.paused = false
		close(s.going)
	case "pause", "config", "delivery", "replies", "sent":
	default:
		s.t.Fatalf("a section %q", f.Name)
	}
}

// pass lets simulated time pass.
func (s *scene) pass(d time.Duration) { <-time.After(d) }

func (s *scene) mail(text string, brokeOff bool) {
	envelope, message, _ := strings.Cut(text, "\n")
	from, rcpt, _ := strings.Cut(envelope, " > ")
	env := &smtpd.Envelope{
		QueueID: fmt.Sprintf("Q%d", len(s.replies)+1), Client: netip.MustParseAddr("127.0.0.1"), Hello: "app",
		From: from, Rcpt: strings.Fields(rcpt), Received: time.Now(),
	}
	r := s.gateway.Handle(s.t.Context(), env, []byte(strings.ReplaceAll(message, "\n", "\r\n")))
	s.replies = append(s.replies, fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text))
	if r.Heard != nil && !brokeOff {
		r.Heard()
	}
	if !s.paused {
		synctest.Wait() // for what can be sent at once
	}
}

func (s *scene) compareReplies(want []string) {
	if len(want) != len(s.replies) {
		s.t.Errorf("%d replies, want %d: %q", len(s.replies), len(want), s.replies)
		return
	}
	for i, w := range want {
		parts := strings.Split(w, "*")
		got := s.replies[i]
		ok := strings.HasPrefix(got, parts[0])
		for _, p := range parts[1:] {
			ok = ok && strings.Contains(got, p)
		}
		if !ok {
			s.t.Errorf("%s\nmail %d was answered %q, want %q", s.see, i+1, got, w)
		}
	}
}

// sent is what the API accepted, a line each.
func (s *scene) sent() string {
	var lines []string
	number := map[int64]int{}
	for _, m := range s.api.Messages() {
		var r struct {
			Targets   []string `json:"targets"`
			ConvTitle string   `json:"conv_title"`
			RawText   string   `json:"raw_text"`
			ConvoID   int64    `json:"convo_id"`
		}
		if err := json.Unmarshal(m.Request, &r); err != nil {
			s.t.Fatal(err)
		}
		if number[m.ConvoID] == 0 {
			number[m.ConvoID] = len(number) + 1
		}
		first, _, _ := strings.Cut(strings.TrimSpace(r.RawText), "\n")
		what := fmt.Sprintf("opens %s %q", strings.Join(r.Targets, " "), r.ConvTitle)
		if r.ConvoID != 0 {
			what = "replies"
		}
		lines = append(lines, fmt.Sprintf("C%d %s: %s", number[m.ConvoID], what, strings.TrimSpace(first)))
	}
	return strings.Join(lines, "\n")
}

// testLog shows what happened where a test fails.
type testLog struct{ t *testing.T }

func (l testLog) Record(e events.Event) {
	l.t.Logf("%s %s %s %v %s %v", e.Time.Format(time.TimeOnly), e.Kind, e.QueueID, e.To, e.Reason, e.Err)
}

// nowhere is a listener that nobody reaches.
func nowhere(string, string) (net.Listener, error) { return deaf{}, nil }

type deaf struct{}

func (deaf) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (deaf) Close() error              { return nil }
func (deaf) Addr() net.Addr            { return &net.TCPAddr{} }
