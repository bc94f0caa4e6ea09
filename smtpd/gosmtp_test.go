package smtpd

import (
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// bareSession is a smtp.Session that accepts everything.
type bareSession struct{}

func (bareSession) Mail(string, *smtp.MailOptions) error { return nil }
func (bareSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (bareSession) Reset()                               {}
func (bareSession) Logout() error                        { return nil }

func (bareSession) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (bareSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (bareSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(string, string, string) error { return nil }), nil
}

// goSMTP returns what go-smtp itself answers to commands, without our conn around it.
func goSMTP(t *testing.T, commands string) []string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return bareSession{}, nil }))
	s.Domain = "relay.test"
	s.AllowInsecureAuth = true
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, commands)
	_ = c.(*net.TCPConn).CloseWrite()
	replies, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	<-served
	return strings.Split(string(replies), "\r\n")
}

// Every reply of go-smtp that rewriteReply replaces is one that go-smtp really sends. A
// release of it that rewords one fails here, and nowhere else.
func TestRewrittenReplies(t *testing.T) {
	const mail, rcpt = "MAIL FROM:<a@b.test>\r\n", "RCPT TO:<a@b.test>\r\n"
	seen := make(map[string]bool)
	for _, commands := range []string{
		mail + "HELO\r\nRSETT\r\nFOOO x\r\n\r\n" + "FOOO\r\n",
		"HELO x\r\n" + rcpt + mail + "DATA\r\nNOOP\r\n" + rcpt + "DATA x\r\nDATA\r\n.\r\n",
		"EHLO x\r\n" + mail + rcpt + "BDAT 1\r\nx" + mail + rcpt + "DATA\r\n",
		"EHLO x\r\nMAIL\r\nMAIL FROM:<a@b.test> FOO=1\r\nMAIL FROM:<a@b.test> SIZE=x\r\nMAIL FROM:<a@b.test> A=B=C\r\n",
		"EHLO x\r\n" + mail + "RCPT\r\nRCPT TO:<a@b.test> FOO=1\r\nRCPT TO:<a@b.test> A=B=C\r\n",
		"EHLO x\r\nAUTH\r\nAUTH PLAIN !\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN AGEAYg==\r\n",
	} {
		for _, line := range goSMTP(t, commands) {
			seen[line] = true
		}
	}
	for _, line := range append(slices.Sorted(maps.Keys(rewritten)), "250 SIZE", "250-Hello x", "250 2.0.0 Hello x") {
		if !seen[line] {
			t.Errorf("go-smtp does not send %q any more", line)
		}
	}
	for _, r := range rewordings {
		known := func(line string) bool {
			return strings.HasPrefix(line, r.prefix) && strings.HasSuffix(line, r.suffix)
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(seen)), known) {
			t.Errorf("go-smtp does not send %q any more", r.prefix+"…"+r.suffix)
		}
	}
	if t.Failed() {
		t.Logf("it sent:\n%s", strings.Join(slices.Sorted(maps.Keys(seen)), "\n"))
	}
}
