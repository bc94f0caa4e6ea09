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
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"heyrelay/internal/notify"
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
