package notify_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"heyrelay/internal/events"
	"heyrelay/internal/notify"
	"heyrelay/internal/spool"
)

// tell runs a Notifier until n notices have been settled, and gives what became of
// them and what was heard.
func tell(t *testing.T, host *notify.Smarthost, reports ...spool.Report) (became []string, h *heard) {
	t.Helper()
	var list []spool.Notice
	for i := range reports {
		list = append(list, spool.Notice{ID: int64(i + 1), Way: spool.Mail, Happened: time.Now(), Report: &reports[i]})
	}
	store, h := newNotices(list...), &heard{}
	n := notify.New(notify.Options{
		Store: store, Smarthost: host, Sink: h, Now: time.Now, Jitter: func() float64 { return 0 }, Grace: time.Second,
	})
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	for range reports {
		select {
		case said := <-store.said:
			became = append(became, said)
		case <-ctx.Done():
			t.Error("nothing became of a notice")
		}
	}
	stop()
	<-done
	return became, h
}

func TestReportIsSent(t *testing.T) {
	s := serve(t, nil)
	became, h := tell(t, s.smarthost(), failed(""))
	all := s.all()
	if became[0] != "told 1" || len(all) != 1 {
		t.Fatalf("%v, %d letters, %+v", became, len(all), h.all())
	}
	got := all[0]
	if got.from != "" || got.to != "app@shop.example" || len(got.rcpt.Notify) != 1 || got.rcpt.Notify[0] != smtp.DSNNotifyNever {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(got.text, "Action: failed\r\n") || !strings.HasSuffix(got.text, "--\r\n") {
		t.Errorf("text:\n%s", got.text)
	}
	if e := h.all()[0]; e.Kind != events.Reported || e.QueueID != "Q7" || e.Sender != "app@shop.example" {
		t.Errorf("%+v", e)
	}
}

// A line that begins with a dot is not the end.
func TestDotsArrive(t *testing.T) {
	s := serve(t, nil)
	a := failed("")
	a.Raw = append(a.Raw, ".\r\n..\r\n.x\r\n"...)
	tell(t, s.smarthost(), a)
	if all := s.all(); len(all) != 1 || !strings.Contains(all[0].text, "\r\nBody\r\n.\r\n..\r\n.x\r\n") {
		t.Errorf("%+v", all)
	}
}

func TestOfWhomNobodyWantsToHearNothingIsSent(t *testing.T) {
	s := serve(t, nil)
	never, null, bounce := failed(""), failed(""), failed("Content-Type: multipart/report; boundary=x\r\n")
	never.Recipients[0].Notify = []string{"NEVER"}
	null.Sender = ""
	became, h := tell(t, s.smarthost(), never, null, bounce)
	if len(s.all()) > 0 || len(h.all()) > 0 {
		t.Errorf("%+v, %+v", s.all(), h.all())
	}
	for _, b := range became {
		if !strings.HasPrefix(b, "told") {
			t.Errorf("a notice was %s", b)
		}
	}
}

func TestWhatTheServerRefuses(t *testing.T) {
	for _, command := range []string{"MAIL", "RCPT", "DATA"} {
		for code, want := range map[int]string{550: "told 1", 451: "postponed 1", 530: "postponed 1"} {
			s := serve(t, func(s *server) {
				s.refuse = func(c string) error {
					if c == command {
						return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "because of the moon"}
					}
					return nil
				}
			})
			became, h := tell(t, s.smarthost(), failed(""))
			if became[0] != want || len(s.all()) > 0 {
				t.Errorf("%s %d: %v", command, code, became)
			}
			if e := h.all()[0]; e.Kind != events.Error || !strings.Contains(e.Reason, "because of the moon") || e.QueueID != "Q7" {
				t.Errorf("%s %d: %+v", command, code, e)
			}
		}
	}
}

// What is no word about the report has it tried again: nobody there, a server that
// hangs up wherever it likes, one that greets with 554 or speaks something else.
func TestWhatIsTriedAgain(t *testing.T) {
	nobody := raw(t)
	for name, host := range map[string]*notify.Smarthost{
		"nobody there":          nobody,
		"greeted with 554":      raw(t, "554 no"),
		"cut after EHLO":        raw(t, "220 hi", "250 hi"),
		"cut after MAIL":        raw(t, "220 hi", "250 hi", "250 ok"),
		"cut within DATA":       raw(t, "220 hi", "250 hi", "250 ok", "250 ok", "354 go"),
		"no SMTP":               raw(t, "HTTP/1.1 400 Bad Request"),
		"an unreachable port":   {Reporter: reporter, Address: "127.0.0.1:1"},
		"STARTTLS is a promise": raw(t, "220 hi", "250-hi\r\n250 STARTTLS", "220 go", "250 plaintext"),
	} {
		t.Run(name, func(t *testing.T) {
			became, h := tell(t, host, failed(""))
			if became[0] != "postponed 1" || h.all()[0].Due.IsZero() {
				t.Errorf("%v: %+v", became, h.all())
			}
		})
	}
}

func TestRepliesAreBounded(t *testing.T) {
	const all = 8 << 20
	here, there := net.Pipe()
	defer there.Close()
	c := &talker{far{here}, all}
	host := &notify.Smarthost{Reporter: reporter, Address: "mail.example.com:25", Dial: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
	became, _ := tell(t, host, failed(""))
	if read := all - c.left; became[0] != "postponed 1" || read > 2<<20 {
		t.Errorf("%v, after %d bytes", became, read)
	}
}

func TestAddressesInUTF8(t *testing.T) {
	for _, c := range []struct {
		sender, to string // to "" where the server must not be asked
		utf8       bool
	}{
		{"büro@shop.example", "büro@shop.example", true},
		{"büro@shop.example", "", false},
		{"app@bücher.example", "app@bücher.example", true},
		{"app@bücher.example", "app@xn--bcher-kva.example", false},
	} {
		s := serve(t, func(s *server) { s.EnableSMTPUTF8 = c.utf8 })
		a := failed("")
		a.Sender = c.sender
		became, h := tell(t, s.smarthost(), a)
		all := s.all()
		switch {
		case c.to == "" && (len(all) > 0 || became[0] != "told 1" || !strings.Contains(h.all()[0].Reason, "SMTPUTF8")):
			t.Errorf("%+v: %v, %+v, %+v", c, became, all, h.all())
		case c.to != "" && (len(all) != 1 || all[0].to != c.to || all[0].mail.UTF8 != (c.utf8)):
			t.Errorf("%+v: %+v, %+v", c, all, h.all())
		}
	}
}

// at is a connection to an address.
type at struct {
	net.Conn
	remote net.Addr
}

// RemoteAddr implements net.Conn.
func (a at) RemoteAddr() net.Addr { return a.remote }

// A listener on all addresses is at each that this machine has.
func TestOwnAddressIsNoSmarthost(t *testing.T) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		ip := a.(*net.IPNet).IP
		here, there := net.Pipe()
		host := &notify.Smarthost{Reporter: reporter, Address: "mail.example.com:25"}
		host.Own = func() []net.Addr { return []net.Addr{&net.TCPAddr{IP: net.IPv6zero, Port: 25}} }
		host.Dial = func(context.Context, string, string) (net.Conn, error) {
			return at{here, &net.TCPAddr{IP: ip, Port: 25}}, nil
		}
		if _, h := tell(t, host, failed("")); !strings.Contains(h.all()[0].Reason, "this relay itself") {
			t.Errorf("%v: %+v", ip, h.all())
		}
		_ = there.Close()
	}
}

func TestOwnListenerIsNoSmarthost(t *testing.T) {
	s := serve(t, nil)
	port := func(ip string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", s.address)
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
		host, before := s.smarthost(), len(s.all())
		host.Own = func() []net.Addr { return []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, c.own} }
		_, h := tell(t, host, failed(""))
		if sent := len(s.all()) > before; sent != c.sent || !sent && !strings.Contains(h.all()[0].Reason, "this relay itself") {
			t.Errorf("%v: sent is %v, %+v", c.own, sent, h.all())
		}
	}
}

// TestEncryption wants a login under TLS alone off this machine, and with a
// certificate that is trusted; and a report without one to be encrypted where it
// can be.
func TestEncryption(t *testing.T) {
	secure, trusted := certificate(t, "mail.example.com")
	for _, c := range []struct {
		name                             string
		tls, implicit, login, far, trust bool
		sent, encrypted                  bool
	}{
		{name: "plain", far: true, sent: true},
		{name: "starttls", tls: true, far: true, sent: true, encrypted: true},
		{name: "starttls here", tls: true, sent: true, encrypted: true},
		{name: "login in the open here", login: true, sent: true},
		{name: "login in the open", login: true, far: true},
		{name: "login to a stranger", tls: true, login: true, far: true},
		{name: "login", tls: true, login: true, far: true, trust: true, sent: true, encrypted: true},
		{name: "smtps to a stranger", tls: true, implicit: true, far: true},
		{name: "smtps", tls: true, implicit: true, login: true, far: true, trust: true, sent: true, encrypted: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, func(s *server) {
				if c.tls && !c.implicit {
					s.TLSConfig = secure
				}
				if c.login {
					s.login = []string{"PLAIN"}
				}
			})
			host := s.smarthost()
			host.Address, host.Implicit = "mail.example.com:587", c.implicit
			if c.login {
				host.User, host.Password = "heyrelay", "sesame"
			}
			if c.trust {
				host.Roots = trusted
			}
			host.Dial = s.dial(t, c.far, c.implicit, secure)
			_, h := tell(t, host, failed(""))
			all := s.all()
			if c.sent != (len(all) == 1) {
				t.Fatalf("%d letters, %+v", len(all), h.all())
			}
			if c.sent && (all[0].secure != c.encrypted && !c.implicit || c.login && all[0].user != "PLAIN heyrelay") {
				t.Errorf("%+v", all[0])
			}
		})
	}
}

func TestLogin(t *testing.T) {
	for _, c := range []struct {
		mechanisms []string
		password   string
		as         string // "" where nothing is sent
	}{
		{[]string{"PLAIN", "LOGIN"}, "sesame", "PLAIN heyrelay"},
		{[]string{"LOGIN"}, "sesame", "LOGIN heyrelay"},
		{[]string{"LOGIN"}, "wrong", ""},
		{[]string{"PLAIN"}, "wrong", ""},
		{[]string{"CRAM-MD5"}, "sesame", ""},
	} {
		s := serve(t, func(s *server) { s.login = c.mechanisms })
		host := s.smarthost()
		host.User, host.Password = "heyrelay", c.password
		became, h := tell(t, host, failed(""))
		all := s.all()
		switch {
		case c.as != "" && (len(all) != 1 || all[0].user != c.as):
			t.Errorf("%+v: %+v, %+v", c, all, h.all())
		case c.as == "" && (len(all) > 0 || became[0] != "postponed 1" || strings.Contains(h.all()[0].Reason, c.password)):
			t.Errorf("%+v: %v, %+v", c, became, h.all())
		}
	}
}
