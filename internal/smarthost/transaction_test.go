package smarthost_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/smarthost/smarthosttest"
)

// Any octets arrive as they are: bare CRs and LFs, dots, NULs, 8-bit and long lines. Only
// what does not end with CRLF gets one.
func TestOctetsArriveAsTheyAre(t *testing.T) {
	server := smarthosttest.ServeRaw(t, nil)
	session, err := (&smarthost.Server{Hostname: "relay.example.com", Address: server.Address}).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		sent := octets(random)
		got := transfer(t, session, server, sent)
		if !bytes.HasSuffix(sent, []byte("\r\n")) {
			sent = append(sent, "\r\n"...)
		}
		if !bytes.Equal(got, sent) {
			t.Fatalf("seed %d: sent %q, received %q", seed, sent, got)
		}
	}
	long := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	long = append(long, "\r\n"...)
	if got := transfer(t, session, server, long); !bytes.Equal(got, long) {
		t.Errorf("a line of %d octets arrived with %d", len(long), len(got))
	}
}

// octets returns a message of octets that SMTP could confuse.
func octets(random *rand.Rand) []byte {
	parts := []string{"\r\n", "\r", "\n", ".", "..", "\r\n.", "\r\n.\r\n", "\x00", "\xff\x80", "a", "From x"}
	var all []byte
	for range random.IntN(12) {
		all = append(all, parts[random.IntN(len(parts))]...)
	}
	return all
}

// transfer sends a message and returns what the server received as its content.
func transfer(t *testing.T, session *smarthost.Session, server *smarthosttest.Raw, message []byte) []byte {
	t.Helper()
	err := session.Mail(smarthost.Sender{Path: "app@shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	err = session.Rcpt(smarthost.Recipient{Path: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = session.Data(message)
	if err != nil {
		t.Fatal(err)
	}
	all := server.Contents()
	return all[len(all)-1]
}

// The parameters of MAIL and RCPT reach a server that offers their extensions, and an
// address that needs quotes has them.
func TestEnvelopeParameters(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	session, err := to(s).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	from := smarthost.Sender{Path: "app@shop.example", UTF8: true, Size: 99, EnvelopeID: "a b", Return: "HDRS"}
	rcpt := smarthost.Recipient{
		Path:     "a b@example.com",
		Notify:   []string{"SUCCESS", "DELAY"},
		Original: "rfc822;old@example.com",
	}
	_, err = session.Data(nil)
	if code, _, refused := smarthost.Refusal(err); !refused || code/100 != 5 {
		t.Errorf("DATA without a transaction: %v", err)
	}
	err = errors.Join(session.Mail(from), session.Rcpt(rcpt))
	if err != nil {
		t.Fatal(err)
	}
	_, err = session.Data([]byte("Subject: x\r\n\r\nx\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := s.Taken()[0]
	mail, to := got.Mail, got.Rcpt
	if !mail.UTF8 || mail.Size != 99 || mail.EnvelopeID != "a b" || mail.Return != "HDRS" {
		t.Errorf("MAIL: %+v", mail)
	}
	if fmt.Sprint(to.Notify) != "[SUCCESS DELAY]" || to.OriginalRecipient != "old@example.com" || got.To != rcpt.Path {
		t.Errorf("RCPT %q: %+v", got.To, to)
	}
}

// A refusal is returned with its code and all its lines.
func TestRefusalIsWhole(t *testing.T) {
	refusal := &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "greylisted\ncome back"}
	plain := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "no"}
	var answers []error
	s := smarthosttest.Serve(t, func(s *smarthosttest.Server) {
		s.Refuse = func(command string) error {
			if command != "RCPT" {
				return nil
			}
			return answers[0]
		}
	})
	session, err := to(s).Connect(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	err = session.Mail(smarthost.Sender{Path: "app@shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, answers = range [][]error{{refusal}, {plain}} {
		code, text, ok := smarthost.Refusal(session.Rcpt(smarthost.Recipient{Path: "ann@example.com"}))
		got = append(got, fmt.Sprintf("%d %q %v", code, text, ok))
	}
	want := []string{`450 "greylisted\n4.2.0 come back" true`, `550 "no" true`}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Any 2xx to the whole message is an acceptance. Without a definite reply the message may have
// been accepted; a connection that breaks before its end has delivered nothing.
func TestUnanswered(t *testing.T) {
	for _, c := range []struct {
		at, reply           string
		accepted, mayBeSent bool
	}{
		{at: ".", reply: "250 2.0.0 ok", accepted: true},
		{at: ".", reply: "252 2.0.0 perhaps", accepted: true},
		{at: ".", reply: "354 go on", mayBeSent: true},
		{at: ".", reply: smarthosttest.Cut, mayBeSent: true},
		{at: ".", reply: "451 4.3.0 later"},
		{at: ".", reply: "554 5.6.0 never"},
		{at: "DATA", reply: smarthosttest.Cut},
		{at: "RCPT TO:<ann@example.com>", reply: smarthosttest.Cut},
	} {
		s := smarthosttest.ServeRaw(t, func(r *smarthosttest.Raw) {
			r.Answer = func(command string) string {
				if command == c.at {
					return c.reply
				}
				return ""
			}
		})
		_, err := send(t, &smarthost.Server{Hostname: "relay.example.com", Address: s.Address}, hello)
		if (err == nil) != c.accepted || errors.As(err, new(smarthost.Unanswered)) != c.mayBeSent {
			t.Errorf("%s to %s: %v", c.reply, c.at, err)
		}
	}
}

// A server that refuses a message before its end, and closes, is heard.
func TestRefusedBeforeTheEnd(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a reset connection has no reply there")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go refuseEarly(listener)
	server := &smarthost.Server{Hostname: "relay.example.com", Address: listener.Addr().String()}
	session, err := server.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	_, err = session.Send(smarthost.Message{
		From: "app@shop.example",
		To:   smarthost.Recipient{Path: "ann@example.com"},
		Text: bytes.Repeat([]byte("0123456789abcd\r\n"), 2<<20), // more than the buffers of two sockets
	})
	code, text, _ := smarthost.Refusal(err)
	if code != 552 || text != "5.3.4 too large" || !errors.As(err, new(smarthost.Refused)) {
		t.Errorf("%v", err)
	}
}

// refuseEarly serves one connection up to the first octets of a message.
func refuseEarly(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	for _, reply := range []string{"220 x", "250 x", "250 ok", "250 ok", "354 go on", "552 5.3.4 too large"} {
		_, _ = conn.Write([]byte(reply + "\r\n"))
		_, _ = conn.Read(make([]byte, 100))
	}
}

// A server that takes a message and does not answer QUIT delays its outcome by some seconds.
func TestQuitIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &smarthost.Server{Hostname: "relay.example.com", Address: "mail.example.com:25"}
		s.Dial = func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go sulk(textproto.NewConn(there))
			return here, nil
		}
		began := time.Now()
		session, err := s.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		reply, err := session.Send(smarthost.Message{
			To: smarthost.Recipient{Path: "ann@example.com"}, Text: []byte("Subject: x\r\n\r\nx\r\n"),
		})
		if err != nil || !strings.Contains(reply, "Ok") {
			t.Errorf("%q, %v", reply, err)
		}
		session.Close()
		if took := time.Since(began); took == 0 || took > time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// sulk is a server that takes mail, and answers no QUIT.
func sulk(c *textproto.Conn) {
	defer c.Close()
	replies := map[string]string{"DATA": "354 go on", "EHLO": "250 sulky"}
	err := c.PrintfLine("220 sulky")
	for err == nil {
		line, readErr := c.ReadLine()
		verb, _, _ := strings.Cut(line, " ")
		switch {
		case readErr != nil:
			return
		case verb == "QUIT":
			continue
		}
		err = c.PrintfLine("%s", cmp.Or(replies[verb], "250 2.0.0 Ok"))
		if verb == "DATA" && err == nil {
			_, err = c.ReadDotBytes()
			if err == nil {
				err = c.PrintfLine("250 2.0.0 Ok")
			}
		}
	}
}
