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
	m := composeFor(t, "Hello,\n\nno header here.\n", "-f", "app@example.com", "-F", "The App", "alice@example.com", "root")
	want := regexp.MustCompile(`^From: "The App" <app@example.com>\nDate: .* [+-]\d{4}\nMessage-Id: <[0-9A-Z]+\.[0-9A-Z]+@` + regexp.QuoteMeta(domain()) + `>\n\nHello,\n\nno header here.\n$`)
	if !want.Match(m.text) || m.sender != "app@example.com" || !slices.Equal(m.rcpt, []string{"alice@example.com", "root@localhost"}) {
		t.Errorf("%+v\n%s", m, m.text)
	}
}

// What is there stays as it is, but Bcc never leaves.
func TestComposeKeeps(t *testing.T) {
	const text = "From: x@example.com\nTo: Alice\n  <alice@example.com>\nBcc: blind@example.com,\n\tmore@example.com\nDate: D\nMessage-Id: <1@x>\n\nHi.\n"
	m := composeFor(t, text, "-t", "extra@example.com")
	if got, want := string(m.text), "From: x@example.com\nTo: Alice\n  <alice@example.com>\nDate: D\nMessage-Id: <1@x>\n\nHi.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if want := []string{"extra@example.com", "alice@example.com", "blind@example.com", "more@example.com"}; !slices.Equal(m.rcpt, want) {
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
	if !strings.Contains(string(m.text), "\nTo: <root"+at+">\nCc: =?utf-8?q?J=C3=BCrgen?= <juergen"+at+">, <b@example.com>\nSubject: x\n") {
		t.Errorf("%s", m.text)
	}
	if !strings.Contains(m.sender, "@"+domain()) {
		t.Errorf("sender %s", m.sender)
	}
}

func TestComposeResent(t *testing.T) {
	m := composeFor(t, "Resent-To: d@example.com\nResent-From: x@example.com\nTo: a@example.com\nBcc: b@example.com\n\n", "-t")
	if !slices.Equal(m.rcpt, []string{"d@example.com"}) {
		t.Errorf("recipients %q", m.rcpt)
	}
}

func TestNullSender(t *testing.T) {
	for _, args := range [][]string{{"-f", "<>", "a@example.com"}, {"-f", "", "a@example.com"}, {"-f<>", "a@example.com"}} {
		if m := composeFor(t, "\nHi.\n", args...); m.sender != "" || !strings.Contains(string(m.text), "From: <MAILER-DAEMON@") {
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
		{[]string{"a@b.c"}, false}, {[]string{"-i", "a@b.c"}, true}, {[]string{"-oi", "a@b.c"}, true}, {[]string{"-ti", "a@b.c"}, true},
		{[]string{"-o", "i", "a@b.c"}, true}, {[]string{"-O", "IgnoreDots", "a@b.c"}, true}, {[]string{"-oem", "a@b.c"}, false},
	} {
		if got := strings.Contains(string(composeFor(t, text, test.args...).text), "\none\n.\ntwo\n"); got != test.want {
			t.Errorf("%q: two is there: %v", test.args, got)
		}
	}
	if m := composeFor(t, "Subject: x\r\n\r\none\r\n.\r\n", "a@b.c"); strings.Contains(string(m.text), "\r") {
		t.Errorf("%q", m.text)
	}
}
