package relay

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/tools/txtar"

	"heyrelay/internal/sandbox"
)

var update = flag.Bool("update", false, "write what happens into the cases, in place of what they expect")

// TestCases runs the files of testdata: messages go through the relay, a real
// spool and the sandbox in simulated time. The first line of a file says what a
// reader must see; its sections are, in order:
//
//	sandbox KEY=VALUE  a mode of the API (setMode has the keys)
//	config             keys of the route, in YAML; delivery: keys of delivery; team: a key of the team
//	mail               the envelope, "sender > recipient …", and the message
//	mail, broke off    the client disconnects before it can read the 250
//	mail, reply lost   the reply cannot be written
//	mail, meanwhile    the following sections happen while this mail waits for its reply
//	pause, go          nothing is delivered in between
//	wait 10m           that time passes
//	fault NAME …       the next calls get these faults (internal/sandbox has the names)
//	always NAME TEXT   all calls with TEXT in the body get this fault, or all calls; until heal
//	count N            the API has accepted N messages by now
//	held ROUTE …       these routes are on hold by now
//	restart            the relay restarts, with this configuration
//	retry ROUTE        an operator moves pending requests to another route, as queue retry does
//	hold TEAM ROUTE    an operator holds the route, or the team if none is given, as queue hold does
//	release TEAM ROUTE an operator releases it, as queue release does
//	due REPORT         the one report that may leave by now
//	holds              the holds by now, a line each: team, route, inbox, reason
//	calls N            the API has answered N calls of any kind by now
//	smarthost CODE TEXT  the smarthost gives commands with TEXT this reply ("cut": none), until smarthost up
//	smarthost down     the smarthost cannot be reached, until smarthost up
//	elsewhere N ADDR   somebody opens a conversation of inbox N in Heymarket itself; their numbers begin with 9001
//	states             how many requests are in which state at the end
//	any order          messages may be sent in any order, and conversations are not numbered
//	took               how long each mail waited for its reply
//	reports            the reports that are pending at the end
//	replies            the reply to each mail; * matches anything, Q1 is the first mail's queue id
//	mailed             what the smarthost accepted, sorted
//	sent               what the API accepted, in order; C1 is the first conversation
//
// With -update the expectations that are not met are replaced in the file.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			runCase(t, f)
		})
	}
}

func runCase(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a := txtar.Parse(text)
	dir := t.TempDir()
	changed := false
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, dir: dir, summary: string(a.Comment), files: a.Files}
		s.play()
		a.Files = s.files
		changed = s.changed
	})
	if changed {
		if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// play runs all sections, and compares at the end.
func (s *scene) play() {
	s.start()
	for i := range s.files {
		s.step(&s.files[i])
	}
	s.waiting.Wait()
	s.pass(final)
	s.atEnd(map[string]func() string{
		"states":  s.states,
		"reports": s.reports,
		"took":    func() string { return strings.Join(s.took, "\n") },
	})
	s.stop()
	s.atEnd(map[string]func() string{
		"replies": s.matchReplies,
		"sent":    s.sent,
		"mailed":  s.post.all,
	})
	if n := s.api.Stats().Conflicts; n > 0 {
		s.t.Errorf("a local_id was used %d times for another body", n)
	}
}

// atEnd compares the sections that have an observation in got.
func (s *scene) atEnd(got map[string]func() string) {
	for i := range s.files {
		if observe, ok := got[s.files[i].Name]; ok {
			s.expect(&s.files[i], observe())
		}
	}
}

// expect compares the content of a section with what was observed.
func (s *scene) expect(f *txtar.File, got string) {
	want := strings.TrimSpace(string(f.Data))
	if got == want || f.Name == "sent" && s.section("any order") != nil && unordered(got) == unordered(want) {
		return
	}
	if *update {
		f.Data = []byte(got + "\n")
		s.changed = true
		return
	}
	s.t.Errorf("%s\n%s:\n%s\nwant:\n%s", s.summary, f.Name, got, want)
}

// expectName compares the argument in the name of a section with what was observed.
func (s *scene) expectName(f *txtar.File, got string) {
	verb, want, _ := strings.Cut(f.Name, " ")
	if got == want {
		return
	}
	if *update {
		f.Name = verb + " " + got
		s.changed = true
		return
	}
	s.t.Errorf("%s\n%s by now: %s, want %s", s.summary, verb, got, want)
}

// section returns the first section with this name, nil if there is none.
func (s *scene) section(name string) *txtar.File {
	i := slices.IndexFunc(s.files, func(f txtar.File) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &s.files[i]
}

// step does what one section says.
func (s *scene) step(f *txtar.File) {
	verb, rest, _ := strings.Cut(f.Name, " ")
	switch strings.TrimSuffix(verb, ",") {
	case "mail":
		s.mail(string(f.Data), rest)
	case "wait":
		s.pass(duration(s.t, rest))
	case "fault":
		for _, name := range strings.Fields(rest) {
			s.api.Inject(1, sandbox.Fault(name), nil)
		}
	case "always":
		name, text, _ := strings.Cut(rest, " ")
		matches := func(c sandbox.Call) bool { return strings.Contains(string(c.Body), text) }
		s.api.Inject(-1, sandbox.Fault(name), matches)
	case "smarthost":
		s.post.change(rest)
	case "heal":
		s.api.Clear()
	case "restart":
		s.stop()
		s.open(string(f.Data))
	case "retry":
		s.retry(rest)
	case "hold":
		s.holdByOperator(rest)
	case "release":
		s.releaseByOperator(rest)
	case "elsewhere":
		s.openElsewhere(rest)
	case "go":
		s.paused = false
		close(s.going)
	case "count":
		s.expectName(f, fmt.Sprint(len(s.api.Messages())))
	case "calls":
		s.expectName(f, fmt.Sprint(s.api.Stats().Calls))
	case "held":
		s.expectName(f, s.held())
	case "due":
		s.pass(moment)
		s.expectName(f, s.reports())
	case "holds":
		s.pass(moment)
		s.expect(f, s.holds())
	case "pause", "sandbox", "config", "delivery", "team", "replies", "sent", "states", "took", "reports", "any", "mailed":
	default:
		s.t.Fatalf("unknown section %q", f.Name)
	}
}
