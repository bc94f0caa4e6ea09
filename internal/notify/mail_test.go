package notify_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"heyrelay/internal/events"
	"heyrelay/internal/notify"
	"heyrelay/internal/spool"
)

// server is a smarthost that remembers what it was given.
type server struct {
	*smtp.Server
	address string
	refuse  func(command string) error // nil: nothing is refused
	login   []string                   // mechanisms; none: no login is wanted

	mu    sync.Mutex
	taken []taken
}

// taken is a transaction.
type taken struct {
	user, from, to string
	secure         bool
	mail           smtp.MailOptions
	rcpt           smtp.RcptOptions
	text           string
}

// session is a connection to it.
type session struct {
	s    *server
	conn *smtp.Conn
	now  taken
}

// serve starts a server that each test may change first.
func serve(t *testing.T, change func(*server)) *server {
	t.Helper()
	s := &server{}
	s.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{s: s, conn: c}, nil }))
	s.Domain, s.EnableDSN, s.EnableSMTPUTF8, s.AllowInsecureAuth = "mail.example.com", true, true, true
	s.ErrorLog = log.New(io.Discard, "", 0)
	if change != nil {
		change(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

func (s *server) all() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

func (c *session) may(command string) error {
	if c.s.refuse == nil {
		return nil
	}
	return c.s.refuse(command)
}

func (c *session) Mail(from string, o *smtp.MailOptions) error {
	if len(c.s.login) > 0 && c.now.user == "" {
		return smtp.ErrAuthRequired
	}
	_, secure := c.conn.TLSConnectionState()
	c.now = taken{user: c.now.user, from: from, mail: *o, secure: secure}
	return c.may("MAIL")
}

func (c *session) Rcpt(to string, o *smtp.RcptOptions) error {
	c.now.to, c.now.rcpt = to, *o
	return c.may("RCPT")
}

func (c *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.now.text = string(text)
	if err := c.may("DATA"); err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.taken = append(c.s.taken, c.now)
	return nil
}

func (c *session) Reset()        {}
func (c *session) Logout() error { return nil }

func (c *session) AuthMechanisms() []string { return c.s.login }

func (c *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "heyrelay" || password != "sesame" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "who are you"}
		}
		c.now.user = mechanism + " " + user
		return nil
	}
	if mechanism == sasl.Login {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// loginServer is AUTH LOGIN as servers have it.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

// smarthost is how a server is spoken to in these tests.
func (s *server) smarthost() *notify.Smarthost {
	return &notify.Smarthost{Reporter: reporter, Address: s.address}
}

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
	if e := h.all()[0]; e.Kind != events.Told || e.QueueID != "Q7" || e.Sender != "app@shop.example" {
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
			if e := h.all()[0]; e.Kind != events.Trouble || !strings.Contains(e.Reason, "because of the moon") || e.QueueID != "Q7" {
				t.Errorf("%s %d: %+v", command, code, e)
			}
		}
	}
}

// raw is a server that says what it is told to say, one reply for each line, and
// then hangs up.
func raw(t *testing.T, replies ...string) *notify.Smarthost {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		lines := bufio.NewReader(conn)
		for i, reply := range replies {
			if i > 0 {
				if _, err := lines.ReadString('\n'); err != nil {
					return
				}
			}
			if _, err := io.WriteString(conn, reply+"\r\n"); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return &notify.Smarthost{Reporter: reporter, Address: l.Addr().String()}
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

// talker is a connection whose other side says 8 MB of a line that does not end.
type talker struct {
	far
	left int
}

// Read implements net.Conn.
func (c *talker) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.EOF
	}
	p = p[:min(len(p), c.left)]
	for i := range p {
		p[i] = 'x'
	}
	c.left -= len(p)
	return len(p), nil
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
		{port("192.0.2.1"), true},
		{&net.TCPAddr{IP: net.IPv4zero, Port: 1}, true},
		{&net.UnixAddr{Name: "/run/heyrelay.sock"}, true},
	} {
		host, before := s.smarthost(), len(s.all())
		host.Own = []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, c.own}
		_, h := tell(t, host, failed(""))
		if sent := len(s.all()) > before; sent != c.sent || !sent && !strings.Contains(h.all()[0].Reason, "this relay itself") {
			t.Errorf("%v: sent is %v, %+v", c.own, sent, h.all())
		}
	}
}

// certificate makes one that is its own authority.
func certificate(t *testing.T, name string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}, pool
}

// far is a connection to a machine that is not this one.
type far struct{ net.Conn }

// RemoteAddr implements net.Conn.
func (far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 587} }

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

// dial connects to the server, through something that takes the TLS away where it
// is implicit.
func (s *server) dial(t *testing.T, away, implicit bool, secure *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, s.address)
		if err != nil {
			return nil, err
		}
		if implicit {
			conn = through(t, conn, secure)
		}
		if away {
			conn = far{conn}
		}
		return conn, nil
	}
}

// through gives a client's end of a connection whose TLS ends before conn.
func through(t *testing.T, conn net.Conn, secure *tls.Config) net.Conn {
	client, end := net.Pipe()
	inner := tls.Server(end, secure)
	var copies sync.WaitGroup
	copies.Go(func() { _, _ = io.Copy(conn, inner); _ = conn.Close() })
	copies.Go(func() { _, _ = io.Copy(inner, conn); _ = end.Close() })
	t.Cleanup(copies.Wait)
	return client
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
