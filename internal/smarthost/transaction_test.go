package smarthost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/smarthost/smarthosttest"
)

// Any octets arrive as they are: bare CRs and LFs, dots, NULs, 8-bit and long lines. Only
// what does not end with CRLF gets one.
func TestOctetsArriveAsTheyAre(t *testing.T) {
	session, received := rawServer(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		sent := octets(random)
		got := transfer(t, session, received, sent)
		if !bytes.HasSuffix(sent, []byte("\r\n")) {
			sent = append(sent, "\r\n"...)
		}
		if !bytes.Equal(got, sent) {
			t.Fatalf("seed %d: sent %q, received %q", seed, sent, got)
		}
	}
	long := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	long = append(long, "\r\n"...)
	if got := transfer(t, session, received, long); !bytes.Equal(got, long) {
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
func transfer(t *testing.T, s *smarthost.Session, received <-chan []byte, message []byte) []byte {
	t.Helper()
	err := s.Mail(smarthost.Sender{Path: "app@shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Rcpt(smarthost.Recipient{Path: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Data(message)
	if err != nil {
		t.Fatal(err)
	}
	return <-received
}

// rawServer is an SMTP server that takes each message as its octets, dots halved after CRLF
// alone, until the first CRLF, dot and CRLF.
func rawServer(t *testing.T) (*smarthost.Session, <-chan []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan []byte, 1)
	done := make(chan error, 1)
	go func() { done <- serveRaw(l, received) }()
	server := smarthost.Server{Hostname: "relay.example.com", Address: l.Addr().String()}
	session, err := server.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		session.Close()
		if err := errors.Join(<-done, l.Close()); err != nil {
			t.Error(err)
		}
	})
	return session, received
}

func serveRaw(l net.Listener, received chan<- []byte) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	text := textproto.NewConn(conn)
	defer text.Close()
	reply := "220 raw"
	for {
		if err := text.PrintfLine("%s", reply); err != nil {
			return err
		}
		line, err := text.ReadLine()
		if err != nil {
			return err
		}
		reply = "250 ok"
		switch line {
		case "QUIT":
			return text.PrintfLine("221 bye")
		case "DATA":
			err := text.PrintfLine("354 go on")
			if err != nil {
				return err
			}
			received <- readContent(text)
		}
	}
}

func readContent(text *textproto.Conn) []byte {
	end := []byte("\r\n.\r\n")
	content := []byte("\r\n")
	for !bytes.HasSuffix(content, end) {
		b, err := text.R.ReadByte()
		if err != nil {
			return nil
		}
		content = append(content, b)
	}
	content = bytes.TrimSuffix(content, end[2:])
	return bytes.TrimPrefix(bytes.ReplaceAll(content, []byte("\r\n."), []byte("\r\n")), []byte("\r\n"))
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
