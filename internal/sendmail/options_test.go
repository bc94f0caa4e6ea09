package sendmail

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"heyrelay/internal/smarthost/smarthosttest"
)

// A recipient argument is a list, as cron's MAILTO, mutt and scripts give it.
func TestRecipientsAreLists(t *testing.T) {
	for arg, want := range map[string][]string{
		"a@example.com":                          {"a@example.com"},
		"<a@example.com>":                        {"a@example.com"},
		"a@example.com,b@example.com":            {"a@example.com", "b@example.com"},
		"a@example.com, b@example.com":           {"a@example.com", "b@example.com"},
		"a@example.com b@example.com":            {"a@example.com", "b@example.com"},
		"root  operator":                         {"root", "operator"},
		"root,operator":                          {"root", "operator"},
		"Bob <b@example.com>":                    {"b@example.com"},
		`"Bob, Jr." <b@example.com>, c@x.org`:    {"b@example.com", "c@x.org"},
		"b@example.com (Bob)":                    {"b@example.com"},
		"Bob <b@example.com>,\n root":            {"b@example.com", "root"},
		"user@[192.0.2.1]":                       {"user@[192.0.2.1]"},
		"b@example.com\r\nBcc: evil@example.com": {"b@example.com", "Bcc:", "evil@example.com"}, // refused by the relay
		"":                                       nil,
	} {
		s, err := parse([]string{"--", arg})
		if err != nil || !slices.Equal(s.rcpt, want) {
			t.Errorf("%q: %q, %v, want %q", arg, s.rcpt, err, want)
		}
	}
	if _, err := parse([]string{"a@example.com", "<>"}); err == nil {
		t.Error("<> is a recipient")
	}
}

func TestSenderIsAnAddress(t *testing.T) {
	for arg, want := range map[string]string{
		"app@example.com":       "app@example.com",
		"<app@example.com>":     "app@example.com",
		"App <app@example.com>": "app@example.com",
		"app@example.com (App)": "app@example.com",
		"app":                   "app",
		"<>":                    "",
		"":                      "",
	} {
		s, err := parse([]string{"-f", arg, "a@example.com"})
		if err != nil || s.sender == nil || *s.sender != want {
			t.Errorf("%q: %v, want %q", arg, err, want)
		}
	}
	if _, err := parse([]string{"-f", "a@example.com,b@example.com", "c@example.com"}); err == nil {
		t.Error("two senders")
	}
}

// The value of an option is no recipient, wherever sendmail or Postfix take one.
func TestValuesAreNoRecipients(t *testing.T) {
	for _, letter := range "ABCDFLMOXehopr" {
		option := "-" + string(letter)
		for _, args := range [][]string{{option, "m"}, {option + "m"}, {"-i" + string(letter), "m"}} {
			s, err := parse(append(args, "a@example.com"))
			if err != nil || !slices.Equal(s.rcpt, []string{"a@example.com"}) {
				t.Errorf("%q: %+v, %v", args, s, err)
			}
		}
		if _, err := parse([]string{option}); err == nil {
			t.Errorf("-%c without a value", letter)
		}
	}
	for _, args := range []string{
		"-d0.1 a@example.com", "-d a@example.com", "-d 0-99.1 a@example.com", "-d -t a@example.com",
		"-q30m a@example.com", "-q 30m a@example.com", "-q -t a@example.com",
		"-Qlate a@example.com", "-G -I -T -U -c -m -n -s -v -v -x a@example.com", "-oem -oi -odb a@example.com",
		"-bm -N never -R full -V id a@example.com",
	} {
		s, err := parse(strings.Fields(args))
		if err != nil || !slices.Equal(s.rcpt, []string{"a@example.com"}) {
			t.Errorf("%q: %+v, %v", args, s, err)
		}
	}
}

// run runs sendmail against a server and returns the exit code and what it printed.
func run(t *testing.T, s *smarthosttest.Server, text string, args ...string) (code int, printed string) {
	t.Helper()
	var out strings.Builder
	c := &Command{
		Stdin:   strings.NewReader(text),
		Stdout:  io.Discard,
		Stderr:  &out,
		Environ: []string{"SENDMAIL_RELAY=" + s.Address},
		List:    func(string) int { return 42 },
	}
	return c.Run(context.Background(), args), out.String()
}

// -N, -R and -V are DSN's parameters (RFC 3461).
func TestReportsAreRequested(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // ENVID, RET, NOTIFY
	}{
		{nil, "  []"},
		{[]string{"-N", "never"}, "  [NEVER]"},
		{[]string{"-N", "failure,Delay, success", "-R", "hdrs", "-V", "id 7"}, "id 7 HDRS [FAILURE DELAY SUCCESS]"},
		{[]string{"-Nfailure", "-Rfull", "-Vx+y"}, "x+y FULL [FAILURE]"},
	} {
		s := smarthosttest.Serve(t, nil)
		if code, printed := run(t, s, "Subject: x\n\n", append(c.args, "a@example.com")...); code != 0 {
			t.Fatalf("%q: %d, %s", c.args, code, printed)
		}
		got := s.Taken()[0]
		if text := fmt.Sprint(got.Mail.EnvelopeID, " ", got.Mail.Return, " ", got.Rcpt.Notify); text != c.want {
			t.Errorf("%q: %q, want %q", c.args, text, c.want)
		}
	}
	s := smarthosttest.Serve(t, func(s *smarthosttest.Server) { s.EnableDSN = false })
	code, printed := run(t, s, "Subject: x\n\n", "-N", "never", "-R", "hdrs", "-V", "id", "a@example.com")
	if code != 0 || len(s.Taken()) != 1 {
		t.Errorf("a relay without DSN: %d, %s", code, printed)
	}
	for _, args := range [][]string{
		{"-N", "later"}, {"-N", "never,failure"}, {"-R", "some"}, {"-V", "a\nb"}, {"-V", strings.Repeat("x", 101)},
	} {
		if code, _ := run(t, s, "Subject: x\n\n", append(args, "a@example.com")...); code != exUsage {
			t.Errorf("%q: %d", args, code)
		}
	}
}

// A byte order mark before the first field hides no field, in UTF-8 and in UTF-16.
func TestByteOrderMark(t *testing.T) {
	const text = "\ufeffTo: alice@example.com\nSubject: x\n\nHi.\n"
	wide := "\xff\xfe"
	for _, c := range strings.TrimPrefix(text, "\ufeff") {
		wide += string(c) + "\x00"
	}
	for _, input := range []string{text, wide} {
		s := smarthosttest.Serve(t, nil)
		code, printed := run(t, s, input, "-t")
		all := s.Taken()
		if code != 0 || len(all) != 1 || all[0].To != "alice@example.com" {
			t.Fatalf("%d, %s, %+v", code, printed, all)
		}
		if !strings.Contains(all[0].Text, "\r\nTo: alice@example.com\r\nSubject: x\r\n") {
			t.Error(all[0].Text)
		}
	}
}

// A header ends where a line is no field, and that line is the body's first.
func TestWhereTheHeaderEnds(t *testing.T) {
	for text, want := range map[string]string{
		"Subject: x\n\nbody\n":                            "Subject: x\n\nbody\n",
		"From root Thu Jan  1\nSubject: x\n\nbody\n":      "Subject: x\n\nbody\n",
		"Subject: x\nthis is no field\n\nbody\n":          "Subject: x\n\nthis is no field\n\nbody\n",
		"Subject: x\n: no name\nbody\n":                   "Subject: x\n\n: no name\nbody\n",
		"Subject: x\nX: y\n folded\n\nbody\n":             "Subject: x\nX: y\n folded\n\nbody\n",
		" Subject: x\nbody\n":                             "\n Subject: x\nbody\n",
		"Subject: x":                                      "Subject: x\n\n",
		"Subject: x\nBcc : b@example.com\n\nBcc: is text": "Subject: x\n\nBcc: is text",
	} {
		got := string(composeFor(t, text, "a@example.com").text)
		if !strings.HasSuffix(got, want) {
			t.Errorf("%q: got %q, want it to end with %q", text, got, want)
		}
	}
}

// What a Bcc names is in nobody's message, though a damaged line ends the header before it.
func TestBccBehindTheHeader(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	for _, header := range []string{
		"To: a@example.com\nno field\nBcc: b@example.com\nSubject: x\n",
		"To: a@example.com\nno field\nSubject: x\nResent-Bcc: b@example.com\n",
		"To: a@example.com\nB cc: b@example.com\nSubject: x\n",
		"no field\nBcc: b@example.com\n",
		"To: a@example.com\nno field\nBcc:\n b@example.com\n",
	} {
		code, printed := run(t, s, header+"\nbody\n", "-t", "a@example.com")
		if code != 65 || !strings.Contains(printed, "Bcc") || strings.Contains(printed, "b@example.com") {
			t.Errorf("%q: %d, %q", header, code, printed)
		}
		code, _ = run(t, s, header, "a@example.com")
		if code != 65 {
			t.Errorf("%q without a body: %d", header, code)
		}
	}
	for _, text := range []string{
		"To: a@example.com\n\nBcc: b@example.com\n",
		"To: a@example.com\nBcc: b@example.com\n\nx",
	} {
		if code, printed := run(t, s, text, "a@example.com"); code != 0 {
			t.Errorf("%q: %d, %q", text, code, printed)
		}
	}
	for _, m := range s.Taken() {
		if strings.Contains(m.Text, "b@example.com") != strings.Contains(m.Text, "\r\n\r\nBcc: b@example.com") {
			t.Error(m.Text)
		}
	}
}

func TestExitCodes(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	for _, c := range []struct {
		args string
		want int
	}{
		{"a@example.com", 0},
		{"", 64},
		{"-Z a@example.com", 64},
		{"-bd", 64},
		{"-bp", 42},
		{"-bi", 0},
		{"-q", 0},
		{"-O relay=127.0.0.1:1 a@example.com", 75},
		{"-O relay=unix:/nowhere a@example.com", 75},
	} {
		code, printed := run(t, s, "Subject: x\n\n", strings.Fields(c.args)...)
		quiet := code == 0 || code == 42
		if code != c.want || quiet != (printed == "") {
			t.Errorf("%q: %d, %q", c.args, code, printed)
		}
	}
}
