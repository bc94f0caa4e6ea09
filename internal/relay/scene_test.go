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
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

const (
	final  = 10 * time.Minute // passes behind the last section
	moment = time.Second      // passes before holds are read
)

// scene is one running case.
type scene struct {
	t       *testing.T
	dir     string
	summary string // what a reader must see
	files   []txtar.File
	changed bool // an expectation was updated

	relay   *Relay
	api     *sandbox.Sandbox
	post    postOffice
	modes   sandbox.Modes
	latency time.Duration // of the API
	paused  bool
	going   chan struct{} // closed when delivery begins
	replies []string
	took    []string
	waiting sync.WaitGroup // mail sent meanwhile
	stop    func()
}

// start starts the relay as the first sections say.
func (s *scene) start() {
	s.going = make(chan struct{})
	s.paused = s.section("pause") != nil
	if !s.paused {
		close(s.going)
	}
	if s.section("sent") == nil {
		s.files = append(s.files, txtar.File{Name: "sent"})
	}
	for _, f := range s.files {
		if mode, ok := strings.CutPrefix(f.Name, "sandbox "); ok {
			s.setMode(mode)
		}
	}
	s.open(firstConfig(s.text("config"), s.text("delivery"), s.text("team")))
}

// text returns the content of a section, "" if there is none.
func (s *scene) text(name string) string {
	f := s.section(name)
	if f == nil {
		return ""
	}
	return strings.TrimSpace(string(f.Data))
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
	route += "name: support, inbox: 202, creator_id: 55}"
	return fmt.Sprintf(sceneConfig, cmp.Or(team, "rate: 500/min"), route, delivery)
}

// open starts a relay on the case's spool.
func (s *scene) open(text string) {
	cfg, err := config.Parse("case", []byte(text), func(string) (string, bool) { return sandbox.DemoAPIKey, true })
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := sqlite.Open(s.t.Context(), filepath.Join(s.dir, "spool.db"), sqlite.Options{
		Limits: func() sqlite.Limits { return sqlite.Limits{MaxWait: delivery.MaxWait(cfg.Delivery.RetryMax.Std())} },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.api == nil {
		s.api = sandbox.New(sandbox.Options{RatePerMinute: sandbox.APIRate, Modes: s.modes, Latency: s.latency})
	}
	s.relay, err = New(cfg, Parts{
		Store:     store,
		Sink:      testLog{s.t},
		Transport: s.api,
		Random:    rand.Reader,
		Listen:    nowhere,
		Dial:      s.post.dial,
	})
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

// openElsewhere opens a conversation that the relay does not know.
func (s *scene) openElsewhere(text string) {
	inbox, address, _ := strings.Cut(text, " ")
	body := fmt.Sprintf(`{"creator_id": 55, "inbox": %s, "targets": ["to:%s"],`+
		`"conv_title": "Elsewhere", "text": "elsewhere", "raw_text": "elsewhere"}`, inbox, address)
	const url = "https://api.example/v1/email/send"
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + sandbox.DemoAPIKey}, "Content-Type": {"application/json"}}
	answer, err := s.api.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatal(err, answer)
	}
}

// setMode sets one of the ways in which the API may behave.
func (s *scene) setMode(text string) {
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
	case "latency":
		s.latency = d
	case "cursor":
		s.modes.DateCursor = value == "date"
	default:
		s.t.Fatalf("unknown mode of the sandbox %q", key)
	}
}

// pass lets simulated time pass.
func (s *scene) pass(d time.Duration) { <-time.After(d) }

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// mail submits a mail. In its envelope NOTIFY=… follows the recipient that it is for.
func (s *scene) mail(text, how string) {
	envelope, message, _ := strings.Cut(text, "\n")
	n := len(s.replies)
	env := readEnvelope(envelope)
	env.QueueID = fmt.Sprintf("Q%d", n+1)
	s.replies = append(s.replies, "")
	s.took = append(s.took, "")
	submit := func() {
		r := s.relay.Handle(s.t.Context(), env, []byte(strings.ReplaceAll(message, "\n", "\r\n")))
		s.replies[n] = fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)
		s.took[n] = time.Since(env.Received).String()
		if r.Written != nil && how != "reply lost" {
			r.Written()
		}
		if r.Confirmed != nil && how == "" {
			r.Confirmed()
		}
	}
	if how == "meanwhile" {
		s.waiting.Go(submit)
	} else {
		submit()
	}
	if !s.paused {
		time.Sleep(10 * time.Millisecond) // outcomes wait a moment for the next message
		synctest.Wait()                   // for what can be sent at once
	}
}

func readEnvelope(line string) *smtpd.Envelope {
	from, rcpt, _ := strings.Cut(line, " > ")
	env := &smtpd.Envelope{Client: netip.MustParseAddr("127.0.0.1"), Hello: "app", From: from, Received: time.Now()}
	for _, word := range strings.Fields(rcpt) {
		if notify, ok := strings.CutPrefix(word, "NOTIFY="); ok {
			env.DSN[len(env.DSN)-1].Notify = strings.Split(notify, ",")
			continue
		}
		env.Rcpt = append(env.Rcpt, word)
		env.DSN = append(env.DSN, smtpd.DSN{})
	}
	return env
}

// operate does what an operator does beside the relay.
func (s *scene) operate(do func(spool.Operator) error) {
	op, err := sqlite.OpenOperator(filepath.Join(s.dir, "spool.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(do(op), op.Close()); err != nil {
		s.t.Error(err)
	}
}

// retry moves pending requests to another route.
func (s *scene) retry(route string) {
	to := routes(s.relay.config())[route]
	pending := spool.Filter{States: []spool.State{spool.Queued, spool.Ready, spool.Deferred, spool.Held}}
	s.operate(func(op spool.Operator) error {
		how := spool.RetryOptions{Route: route, Team: to.Team, Inbox: to.Inbox}
		_, err := op.Retry(s.t.Context(), time.Now(), pending, how)
		return err
	})
}

// holdByOperator holds a team, or a route of it.
func (s *scene) holdByOperator(text string) {
	team, route, _ := strings.Cut(text, " ")
	s.operate(func(op spool.Operator) error {
		return op.HoldDestination(s.t.Context(), time.Now(), spool.Hold{Team: team, Route: route, Reason: "maintenance"})
	})
}

// releaseByOperator ends the hold of a team, or of a route of it.
func (s *scene) releaseByOperator(text string) {
	team, route, _ := strings.Cut(text, " ")
	s.operate(func(op spool.Operator) error {
		held, err := op.ReleaseDestination(s.t.Context(), time.Now(), spool.Destination{Team: team, Route: route})
		if !held {
			s.t.Errorf("%s is not on hold", text)
		}
		return err
	})
}

// reports returns the pending reports, a line each.
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

// matchReplies returns the reply to each mail, or the expected pattern if it matches.
func (s *scene) matchReplies() string {
	got := slices.Clone(s.replies)
	for i, pattern := range strings.Split(s.text("replies"), "\n") {
		if i < len(got) && matches(pattern, got[i]) {
			got[i] = pattern
		}
	}
	return strings.Join(got, "\n")
}

// matches reports whether text begins with the words of the pattern; or with its first part,
// between its asterisks, and contains the others.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok || len(parts) == 1 && rest != "" && rest[0] != ' ' {
		return false
	}
	missing := func(part string) bool { return !strings.Contains(text, part) }
	return !slices.ContainsFunc(parts[1:], missing)
}

// sent returns what the API accepted, a line each.
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

// unordered sorts lines and removes the numbers of the conversations.
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

// held returns the routes on hold.
func (s *scene) held() string {
	var names []string
	for _, h := range s.allHolds() {
		names = append(names, h.Route)
	}
	return strings.Join(names, " ")
}

// holds returns the holds, a line each.
func (s *scene) holds() string {
	var lines []string
	for _, h := range s.allHolds() {
		lines = append(lines, fmt.Sprintf("%s %s %d: %s", h.Team, h.Route, h.Inbox, h.Reason))
	}
	return strings.Join(lines, "\n")
}

func (s *scene) allHolds() []spool.Hold {
	all, err := s.relay.store.Holds(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// testLog logs events, for tests that fail.
type testLog struct{ t *testing.T }

func (l testLog) Record(e events.Event) {
	l.t.Logf("%s %s %s %v %s %v", e.Time.Format(time.TimeOnly), e.Kind, e.QueueID, e.To, e.Reason, e.Err)
}

// nowhere returns a listener that no client reaches.
func nowhere(string, string) (net.Listener, error) { return deaf{}, nil }

type deaf struct{}

func (deaf) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (deaf) Close() error              { return nil }
func (deaf) Addr() net.Addr            { return &net.TCPAddr{} }
