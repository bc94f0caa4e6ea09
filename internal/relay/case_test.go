package relay

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

// TestCases runs the files of testdata: messages go through the relay, a real
// spool and the sandbox in simulated time. The first line of a file says what a
// reader must see; its sections are, in order:
//
//	sandbox KEY=VALUE  how the API is where nobody knows (modes has the keys)
//	config             keys of the route, in YAML; delivery: keys of delivery; team: a key of the team
//	mail               the envelope, "sender > recipient …", and the message
//	mail, broke off    the client is gone before it could hear the 250
//	mail, reply lost   the reply could not even be written
//	mail, meanwhile    what follows happens while this one waits for its answer
//	pause, go          nothing is delivered in between
//	wait 10m           that time passes
//	fault NAME …       what the next calls run into (internal/sandbox has the names)
//	always NAME TEXT   what all calls run into whose body holds TEXT, or all calls; until heal
//	count N            the API has accepted N messages by now
//	held ROUTE …       these routes are held by now
//	restart            the relay stops and starts, with this configuration in place of the first
//	retry ROUTE        an operator has what waits sent by another route, as queue retry does
//	gates              what is held by now, a line each: team, route, inbox, why
//	calls N            and answered N calls of any kind
//	abroad N ADDRESS   somebody opens a conversation of inbox N in Heymarket itself; their numbers begin with 9001
//	states             how many requests are in which state in the end
//	any order          what was sent may be in any order, and conversations are not numbered
//	took               how long each mail waited for its answer
//	reports            which reports wait to leave in the end
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
	relay   *Relay
	api     *sandbox.Sandbox
	modes   sandbox.Modes
	paused  bool
	going   chan struct{} // closed when delivery begins
	replies []string
	took    []string
	waiting sync.WaitGroup // mail that waits meanwhile
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
	for _, f := range files {
		if mode, ok := strings.CutPrefix(f.Name, "sandbox "); ok {
			s.mode(mode)
		}
	}
	s.open(firstConfig(sections["config"], sections["delivery"], sections["team"]))
	for _, f := range files {
		s.step(f)
	}
	s.waiting.Wait()
	s.pass(10 * time.Minute)
	for name, get := range map[string]func() string{
		"states": s.states, "reports": s.reports, "took": func() string { return strings.Join(s.took, "\n") },
	} {
		if want, ok := sections[name]; ok {
			if got := get(); got != want {
				s.t.Errorf("%s\n%s: %s, want %s", s.see, name, got, want)
			}
		}
	}
	s.stop()
	if want, ok := sections["replies"]; ok {
		s.compareReplies(strings.Split(want, "\n"))
	}
	_, anyOrder := sections["any order"]
	if got, want := s.sent(), sections["sent"]; got != want && !(anyOrder && unordered(got) == unordered(want)) {
		s.t.Errorf("%s\nsent:\n%s\nwant:\n%s", s.see, got, want)
	}
	if n := s.api.Stats().Conflicts; n > 0 {
		s.t.Errorf("a local_id was used %d times for another body", n)
	}
}

const sceneConfig = `
hostname: relay.example.com
teams:
  shop: {api_key: "${KEY}", concurrency: 1, %s}
routes:
  - {name: other, inbox: 203, creator_id: 55, match: {sender: other@example.com}}
  - {name: bulk, inbox: 202, creator_id: 55, priority: bulk, match: {sender: bulk@example.com}}
  - {name: high, inbox: 202, creator_id: 55, priority: high, match: {sender: high@example.com}}
  - %s
delivery: %s
bounces: {smarthost: "smtp://127.0.0.1:25"}
`

// firstConfig is the configuration of most cases, with keys of their own.
func firstConfig(route, delivery, team string) string {
	if delivery == "" {
		delivery = "{}"
	}
	route = strings.TrimSuffix(strings.TrimSpace(route), "}")
	if route == "" {
		route = "{"
	} else {
		route += ", "
	}
	return fmt.Sprintf(sceneConfig, cmp.Or(team, "rate: 500/min"), route+"name: support, inbox: 202, creator_id: 55}", delivery)
}

// open starts everything in the case's own house.
func (s *scene) open(text string) {
	cfg, err := config.Parse("case", []byte(text), func(string) (string, bool) { return sandbox.DemoAPIKey, true })
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := sqlite.Open(s.t.Context(), filepath.Join(s.dir, "spool.db"), sqlite.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.api == nil {
		s.api = sandbox.New(sandbox.Options{RatePerMinute: sandbox.APIRate, Modes: s.modes})
	}
	s.relay, err = New(cfg, Parts{Store: store, Sink: testLog{s.t}, Transport: s.api, Random: rand.Reader, Listen: nowhere})
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
		s.relay.scheduler.Run(ctx)
	})
}

func (s *scene) step(f txtar.File) {
	verb, rest, _ := strings.Cut(f.Name, " ")
	switch strings.TrimSuffix(verb, ",") {
	case "mail":
		s.mail(string(f.Data), rest)
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
	case "always":
		name, text, _ := strings.Cut(rest, " ")
		s.api.Inject(-1, sandbox.Fault(name), func(c sandbox.Call) bool { return strings.Contains(string(c.Body), text) })
	case "heal":
		s.api.Clear()
	case "count":
		if got := fmt.Sprint(len(s.api.Messages())); got != rest {
			s.t.Errorf("%s\n%s messages by now, want %s", s.see, got, rest)
		}
	case "held":
		gates, err := s.relay.store.Holds(s.t.Context())
		var got []string
		for _, g := range gates {
			got = append(got, g.Route)
		}
		if held := strings.Join(got, " "); held != rest || err != nil {
			s.t.Errorf("%s\nheld by now: %q (%v), want %q", s.see, held, err, rest)
		}
	case "restart":
		s.stop()
		s.open(string(f.Data))
	case "retry":
		s.retry(rest)
	case "gates":
		if got, want := s.gates(), strings.TrimSpace(string(f.Data)); got != want {
			s.t.Errorf("%s\nheld:\n%s\nwant:\n%s", s.see, got, want)
		}
	case "calls":
		if got := fmt.Sprint(s.api.Stats().Calls); got != rest {
			s.t.Errorf("%s\n%s calls by now, want %s", s.see, got, rest)
		}
	case "abroad":
		s.abroad(rest)
	case "go":
		s.paused = false
		close(s.going)
	case "pause", "sandbox", "config", "delivery", "team", "replies", "sent", "states", "took", "reports", "any":
	default:
		s.t.Fatalf("a section %q", f.Name)
	}
}

// abroad opens a conversation that the relay knows nothing of.
func (s *scene) abroad(text string) {
	inbox, address, _ := strings.Cut(text, " ")
	body := fmt.Sprintf(`{"creator_id": 55, "inbox": %s, "targets": ["to:%s"], "conv_title": "Abroad", "text": "abroad", "raw_text": "abroad"}`, inbox, address)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "https://api.example/v1/email/send", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + sandbox.DemoAPIKey}, "Content-Type": {"application/json"}}
	answer, err := s.api.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatal(err, answer)
	}
}

// mode sets one of the ways in which the API may differ from what one would guess.
func (s *scene) mode(text string) {
	key, value, _ := strings.Cut(text, "=")
	n, _ := strconv.Atoi(value)
	d, _ := time.ParseDuration(value)
	switch key {
	case "duplicate":
		s.modes.Duplicate = n
	case "dead":
		s.modes.Dead = n
	case "lag":
		s.modes.ListLag = d
	case "memory":
		s.modes.LocalIDMemory = d
	case "merge":
		s.modes.Merge = true
	case "members":
		s.modes.MemberObjects = value == "objects"
	case "cursor":
		s.modes.DateCursor = value == "date"
	default:
		s.t.Fatalf("no mode of the sandbox is called %q", key)
	}
}

// pass lets simulated time pass.
func (s *scene) pass(d time.Duration) { <-time.After(d) }

// mail sends a mail. In its envelope NOTIFY=… stands behind the recipient that it is for.
func (s *scene) mail(text, how string) {
	envelope, message, _ := strings.Cut(text, "\n")
	from, rcpt, _ := strings.Cut(envelope, " > ")
	n := len(s.replies)
	env := &smtpd.Envelope{
		QueueID: fmt.Sprintf("Q%d", n+1), Client: netip.MustParseAddr("127.0.0.1"), Hello: "app", From: from, Received: time.Now(),
	}
	for _, word := range strings.Fields(rcpt) {
		if notify, ok := strings.CutPrefix(word, "NOTIFY="); ok {
			env.DSN[len(env.DSN)-1].Notify = strings.Split(notify, ",")
			continue
		}
		env.Rcpt, env.DSN = append(env.Rcpt, word), append(env.DSN, smtpd.DSN{})
	}
	s.replies, s.took = append(s.replies, ""), append(s.took, "")
	hand := func() {
		r := s.relay.Handle(s.t.Context(), env, []byte(strings.ReplaceAll(message, "\n", "\r\n")))
		s.replies[n], s.took[n] = fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text), time.Since(env.Received).String()
		if r.Written != nil && how != "reply lost" {
			r.Written()
		}
		if r.Confirmed != nil && how == "" {
			r.Confirmed()
		}
	}
	if how == "meanwhile" {
		s.waiting.Go(hand)
	} else {
		hand()
	}
	if !s.paused {
		synctest.Wait() // for what can be sent at once
	}
}

// reports are those that wait to leave, a line each.
func (s *scene) reports() string {
	due, _, err := s.relay.store.Notices(s.t.Context(), time.Now(), time.Minute, spool.Mail, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for _, n := range due {
		line := string(n.Report.Action)
		for _, r := range n.Report.Recipients {
			line += " " + r.Address
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
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

// unordered sorts lines and takes the conversations' numbers away.
func unordered(lines string) string {
	all := strings.Split(lines, "\n")
	for i, l := range all {
		_, all[i], _ = strings.Cut(l, " ")
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// states counts requests by state, as "1 failed, 2 sent".
func (s *scene) states() string {
	entries, err := s.relay.store.(spool.Reader).List(s.t.Context(), spool.Filter{Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	n := map[string]int{}
	for _, e := range entries {
		n[e.State]++
	}
	var all []string
	for _, state := range slices.Sorted(maps.Keys(n)) {
		all = append(all, fmt.Sprintf("%d %s", n[state], state))
	}
	return strings.Join(all, ", ")
}

// gates is what is held, a line each.
func (s *scene) gates() string {
	s.pass(time.Second)
	gates, err := s.relay.store.Holds(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for _, g := range gates {
		lines = append(lines, fmt.Sprintf("%s %s %d: %s", g.Team, g.Route, g.Inbox, g.Reason))
	}
	return strings.Join(lines, "\n")
}

// retry moves what waits.
func (s *scene) retry(route string) {
	op, err := sqlite.OpenOperator(filepath.Join(s.dir, "spool.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	to, _ := routes(s.relay.cfg)(route)
	waiting := spool.Filter{States: []spool.State{spool.Queued, spool.Ready, spool.Deferred}}
	_, err = op.Retry(s.t.Context(), time.Now(), waiting, spool.RetryOptions{Route: route, Team: to.Team, Inbox: to.Inbox})
	if err := errors.Join(err, op.Close()); err != nil {
		s.t.Error(err)
	}
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
