package smarthost_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/smarthost/smarthosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func to(s *smarthosttest.Server) *smarthost.Server {
	return &smarthost.Server{Hostname: "relay.example.com", Address: s.Address}
}

var hello = smarthost.Message{
	From: "app@shop.example",
	To:   smarthost.Recipient{Path: "ann@example.com"},
	Text: []byte("Subject: Hello\r\n\r\nHi.\r\n"),
}

// send sends one message in a session of its own.
func send(t *testing.T, s *smarthost.Server, m smarthost.Message) (reply string, err error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	session, err := s.Connect(ctx)
	if err != nil {
		return "", err
	}
	defer session.Close()
	return session.Send(m)
}

func refused(err error) bool { return errors.As(err, new(smarthost.Refused)) }

func denied(err error) bool { return errors.As(err, new(smarthost.Denied)) }

func TestSend(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	reply, err := send(t, to(s), hello)
	all := s.Taken()
	if err != nil || reply == "" || len(all) != 1 {
		t.Fatalf("%q, %v, %+v", reply, err, all)
	}
	got := all[0]
	if got.Hello != "relay.example.com" || got.From != hello.From || got.To != hello.To.Path {
		t.Errorf("%+v", got)
	}
	if got.Text != string(hello.Text) {
		t.Errorf("%q", got.Text)
	}
	if len(got.Rcpt.Notify) > 0 || got.Mail.UTF8 || got.Mail.Size != int64(len(hello.Text)) {
		t.Errorf("%+v", got)
	}
}

// A message that asks for no reports says so, and an odd local part is quoted.
func TestParameters(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	m := hello
	m.To.Path = "ann b@example.com"
	m.To.Notify = []string{"NEVER"}
	if _, err := send(t, to(s), m); err != nil {
		t.Fatal(err)
	}
	got := s.Taken()[0]
	if got.To != m.To.Path || len(got.Rcpt.Notify) != 1 || got.Rcpt.Notify[0] != smtp.DSNNotifyNever {
		t.Errorf("%+v", got)
	}
}

func TestWhatTheServerDoesNotOffer(t *testing.T) {
	s := smarthosttest.Serve(t, func(s *smarthosttest.Server) { s.EnableSMTPUTF8 = false })
	m := hello
	m.UTF8 = true
	if _, err := send(t, to(s), m); !refused(err) || !strings.Contains(err.Error(), "SMTPUTF8") || len(s.Taken()) > 0 {
		t.Errorf("%v", err)
	}
}

func TestRefused(t *testing.T) {
	for _, command := range []string{"MAIL", "RCPT", "DATA"} {
		for code, want := range map[int]bool{550: true, 451: false, 530: false} {
			s := smarthosttest.Serve(t, smarthosttest.Refusing(command, code, "because of the moon"))
			_, err := send(t, to(s), hello)
			reason := err != nil && strings.Contains(err.Error(), "because of the moon")
			if !reason || refused(err) != want || denied(err) != (code == 530) {
				t.Errorf("%s %d: %v", command, code, err)
			}
		}
	}
}

func TestRepliesAreBounded(t *testing.T) {
	const all = 8 << 20
	here, there := net.Pipe()
	defer there.Close()
	c := &talker{Conn: far{here}, left: all}
	s := &smarthost.Server{Hostname: "relay.example.com", Address: "mail.example.com:25"}
	s.Dial = func(context.Context, string, string) (net.Conn, error) { return c, nil }
	_, err := send(t, s, hello)
	if read := all - c.left; err == nil || refused(err) || read > 2<<20 {
		t.Errorf("%v, after %d octets", err, read)
	}
}

// at is a connection to an address.
type at struct {
	net.Conn
	remote net.Addr
}

// RemoteAddr implements net.Conn.
func (a at) RemoteAddr() net.Addr { return a.remote }

// A listener on all addresses is at each address of this machine.
func TestOwnAddressIsNoSmarthost(t *testing.T) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		ip := a.(*net.IPNet).IP
		here, there := net.Pipe()
		s := &smarthost.Server{Hostname: "relay.example.com", Address: "mail.example.com:25"}
		s.Own = func() []net.Addr { return []net.Addr{&net.TCPAddr{IP: net.IPv6zero, Port: 25}} }
		s.Dial = func(context.Context, string, string) (net.Conn, error) {
			return at{Conn: here, remote: &net.TCPAddr{IP: ip, Port: 25}}, nil
		}
		if _, err := send(t, s, hello); err == nil || !strings.Contains(err.Error(), "this relay itself") {
			t.Errorf("%v: %v", ip, err)
		}
		_ = there.Close()
	}
}

func TestOwnListenerIsNoSmarthost(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	port := func(ip string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", s.Address)
		if err != nil {
			t.Fatal(err)
		}
		return &net.TCPAddr{IP: net.ParseIP(ip), Port: a.Port}
	}
	for _, c := range []struct {
		own  net.Addr
		sent bool
	}{
		{port("127.0.0.1"), false},
		{port("0.0.0.0"), false},
		{port("::"), false},
		{port(""), false},
		{port("192.0.2.1"), true},
		{&net.TCPAddr{IP: net.IPv4zero, Port: 1}, true},
		{&net.UnixAddr{Name: "/run/heyrelay.sock"}, true},
	} {
		host := to(s)
		before := len(s.Taken())
		host.Own = func() []net.Addr { return []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, c.own} }
		_, err := send(t, host, hello)
		sent := len(s.Taken()) > before
		if sent != c.sent || !sent && (!denied(err) || !strings.Contains(err.Error(), "this relay itself")) {
			t.Errorf("%v: sent is %v, %v", c.own, sent, err)
		}
	}
}
