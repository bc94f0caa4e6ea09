package sendmail

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// composeFor parses a command line and composes text.
func composeFor(t *testing.T, text string, args ...string) *message {
	t.Helper()
	s, err := parse(args)
	if err != nil {
		t.Fatal(err)
	}
	read, err := readMessage(strings.NewReader(text), s.dots)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.compose(read)
	if err != nil {
		t.Fatal(err)
	}
	m.text = []byte(strings.ReplaceAll(string(m.text), "\r\n", "\n"))
	return m
}

func TestComposeAdds(t *testing.T) {
	const text = "Hello,\n\nno header here.\n"
	m := composeFor(t, text, "-f", "app@example.com", "-F", "The App", "alice@example.com", "root")
	want := regexp.MustCompile(`^From: "The App" <app@example.com>\nDate: .* [+-]\d{4}\n` +
		`Message-Id: <[0-9A-Z]+\.[0-9A-Z]+@` + regexp.QuoteMeta(domain()) + `>\n\nHello,\n\nno header here.\n$`)
	rcpt := []string{"alice@example.com", "root@localhost"}
	if !want.Match(m.text) || m.sender != "app@example.com" || !slices.Equal(m.rcpt, rcpt) {
		t.Errorf("%+v\n%s", m, m.text)
	}
}

// What is there stays as it is, but Bcc never leaves.
func TestComposeKeeps(t *testing.T) {
	const before = "From: x@example.com\nTo: Alice\n  <alice@example.com>\n"
	const after = "Date: D\nMessage-Id: <1@x>\n\nHi.\n"
	m := composeFor(t, before+"Bcc: blind@example.com,\n\tmore@example.com\n"+after, "-t", "extra@example.com")
	if got := string(m.text); got != before+after {
		t.Errorf("got %q, want %q", got, before+after)
	}
	want := []string{"extra@example.com", "alice@example.com", "blind@example.com", "more@example.com"}
	if !slices.Equal(m.rcpt, want) {
		t.Errorf("recipients %q", m.rcpt)
	}
}

// Recipients without a domain are local, in the envelope and in the header; the sender
// belongs to this host.
func TestComposeQualifies(t *testing.T) {
	m := composeFor(t, "To: root\nCc: Jürgen <juergen>, b@example.com\nSubject: x\n\n", "-t")
	const at = "@localhost"
	if want := []string{"root" + at, "juergen" + at, "b@example.com"}; !slices.Equal(m.rcpt, want) {
		t.Errorf("recipients %q", m.rcpt)
	}
	fields := "\nTo: <root" + at + ">\nCc: =?utf-8?q?J=C3=BCrgen?= <juergen" + at + ">, <b@example.com>\nSubject: x\n"
	if !strings.Contains(string(m.text), fields) {
		t.Errorf("%s", m.text)
	}
	if !strings.Contains(m.sender, "@"+domain()) {
		t.Errorf("sender %s", m.sender)
	}
}

// A message that is sent again goes to whom it is resent, visibly or not, and to nobody else.
func TestComposeResent(t *testing.T) {
	const first = "Resent-From: x@example.com\nTo: a@example.com\nBcc: b@example.com\n"
	for header, want := range map[string][]string{
		"Resent-To: d@example.com\n":                                     {"d@example.com"},
		"Resent-To: d@example.com\nResent-Bcc: e@example.com, f@x.org\n": {"d@example.com", "e@example.com", "f@x.org"},
		"Resent-Cc: d@example.com\nResent-Bcc: e@example.com\n":          {"d@example.com", "e@example.com"},
		"Resent-Bcc: e@example.com\n":                                    {"e@example.com"},
	} {
		m := composeFor(t, header+first+"\n", "-t")
		if !slices.Equal(m.rcpt, want) || strings.Contains(string(m.text), "e@example.com") {
			t.Errorf("%q: recipients %q\n%s", header, m.rcpt, m.text)
		}
	}
}

func TestNullSender(t *testing.T) {
	for _, args := range [][]string{{"-f", "<>"}, {"-f", ""}, {"-f<>"}} {
		m := composeFor(t, "\nHi.\n", append(args, "a@example.com")...)
		if m.sender != "" || !strings.Contains(string(m.text), "From: <MAILER-DAEMON@") {
			t.Errorf("%q: %+v %s", args, m.sender, m.text)
		}
	}
}

// A dot ends the message, unless an option says that it does not.
func TestDots(t *testing.T) {
	const text = "Subject: x\n\none\n.\ntwo\n"
	for _, test := range []struct {
		args []string
		want bool
	}{
		{[]string{}, false},
		{[]string{"-i"}, true},
		{[]string{"-oi"}, true},
		{[]string{"-ti"}, true},
		{[]string{"-o", "i"}, true},
		{[]string{"-O", "IgnoreDots"}, true},
		{[]string{"-oem"}, false},
	} {
		m := composeFor(t, text, append(test.args, "a@b.c")...)
		if got := strings.Contains(string(m.text), "\none\n.\ntwo\n"); got != test.want {
			t.Errorf("%q: two is there: %v", test.args, got)
		}
	}
	if m := composeFor(t, "Subject: x\r\n\r\none\r\n.\r\n", "a@b.c"); strings.Contains(string(m.text), "\r") {
		t.Errorf("%q", m.text)
	}
}

// Line endings are repaired as in SMTP: CRs alone end lines if there is no LF.
func TestLineEndings(t *testing.T) {
	for text, want := range map[string]string{
		"To: a@b.c\rSubject: x\r\rone\rtwo\r":              "To: a@b.c\nSubject: x\n\none\ntwo\n",
		"To: a@b.c\rSubject: x\r\rone\r.\rtwo\r":           "To: a@b.c\nSubject: x\n\none\n",
		"To: a@b.c\r\r\nSubject: x\r\r\n\r\r\none\r\r\n":   "To: a@b.c\nSubject: x\n\none\n",
		"To: a@b.c\nSubject: x\n\n10 %\r50 %\r100 %\n":     "To: a@b.c\nSubject: x\n\n10 %\n50 %\n100 %\n",
		"To: a@b.c\nX: y\rBcc: d@e.f\nSubject: x\n\none\n": "To: a@b.c\nX: y\nSubject: x\n\none\n",
	} {
		if got := string(composeFor(t, text, "-t").text); !strings.HasSuffix(got, want) {
			t.Errorf("%q: got %q, want it to end with %q", text, got, want)
		}
	}
}
