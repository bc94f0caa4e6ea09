package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// Smarthost is the mail server that takes reports, and how to speak to it.
type Smarthost struct {
	Reporter
	Address        string            // host:port
	Implicit       bool              // TLS from the beginning (RFC 8314, section 3), else by STARTTLS where it is offered
	User, Password string            // where it wants a login
	Own            func() []net.Addr // addresses that are this relay's; nil: none

	Roots *x509.CertPool                                                       // whom to trust; nil: whom the system trusts
	Dial  func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer's
}

// refusal is a failure that another attempt does not mend.
type refusal struct{ error }

// tell sends the report that a notice is about, and returns what the server said.
// There is nothing to say where no report is to be sent.
func (s *Smarthost) tell(ctx context.Context, n spool.Notice) (said string, err error) {
	if _, ok := s.due(n); !ok {
		return "", nil
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // whatever is being waited for then fails
	c, err := s.greet(conn)
	if err != nil {
		return "", err
	}
	can := offers(c)
	l, _ := s.Write(n, can)
	if l.UTF8 && !can.UTF8 {
		return "", refusal{fmt.Errorf("%s does not take the address <%s>: it offers no SMTPUTF8", s.Address, l.To)}
	}
	said, err = send(c, l, can)
	if err != nil {
		return "", refused(err)
	}
	_ = c.Quit() // the report is theirs already
	return said, nil
}

// dial connects, though not to ourselves: a report would come back as mail.
func (s *Smarthost) dial(ctx context.Context) (net.Conn, error) {
	dial := s.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	conn, err := dial(ctx, "tcp", s.Address)
	if err != nil {
		return nil, err
	}
	if s.Own != nil && slices.ContainsFunc(s.Own(), func(own net.Addr) bool { return same(conn.RemoteAddr(), own) }) {
		_ = conn.Close()
		return nil, fmt.Errorf("bounces.smarthost %s is this relay itself, at %s; name another mail server", s.Address, conn.RemoteAddr())
	}
	return &bounded{Conn: conn, left: maxReplies}, nil
}

// same reports whether who connected to remote has reached the listener at own.
func same(remote, own net.Addr) bool {
	r, ok := remote.(*net.TCPAddr)
	l, also := own.(*net.TCPAddr)
	if !ok || !also || r.Port != l.Port {
		return false
	}
	everywhere := l.IP == nil || l.IP.IsUnspecified()
	return l.IP.Equal(r.IP) || everywhere && isOurs(r.IP)
}

// isOurs reports whether an address is one of this machine.
func isOurs(ip net.IP) bool {
	addresses, _ := net.InterfaceAddrs() // none: then it is not known to be
	return ip.IsLoopback() || slices.ContainsFunc(addresses, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
}

// maxReplies is far over what a server says in one session.
const maxReplies = 1 << 20

// bounded is a connection whose other side cannot talk for ever.
type bounded struct {
	net.Conn
	left int
}

// Read implements net.Conn.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the server says too much")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// greet says hello, encrypts and logs in. A certificate is looked at where
// somebody could stand between and there is something to lose: off this machine,
// when TLS is wanted or a password is given away. Otherwise the report would go in
// plaintext to whoever offers no TLS, and any encryption is better (RFC 7435).
func (s *Smarthost) greet(conn net.Conn) (*smtp.Client, error) {
	host, _, _ := net.SplitHostPort(s.Address)
	remote, _ := conn.RemoteAddr().(*net.TCPAddr)
	near := remote != nil && remote.IP.IsLoopback()
	secure := &tls.Config{ServerName: host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12, InsecureSkipVerify: near || !s.Implicit && s.User == ""}
	if s.Implicit {
		conn = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, err
	}
	if err := c.Hello(s.Hostname); err != nil {
		return nil, err
	}
	encrypted := s.Implicit
	if offered, _ := c.Extension("STARTTLS"); offered && !encrypted {
		if err := c.StartTLS(secure); err != nil {
			return nil, fmt.Errorf("STARTTLS: %w", err)
		}
		encrypted = true
	}
	switch {
	case s.User == "":
		return c, nil
	case !encrypted && !near:
		return nil, fmt.Errorf("%s offers no STARTTLS, and the password is not given away in plaintext", s.Address)
	}
	return c, s.login(c)
}

// login authenticates by what is offered (RFC 4954).
func (s *Smarthost) login(c *smtp.Client) error {
	_, mechanisms := c.Extension("AUTH")
	offered := strings.Fields(strings.ToUpper(mechanisms))
	var err error
	switch {
	case slices.Contains(offered, "PLAIN"):
		err = c.Auth(plainAuth{s.User, s.Password})
	case slices.Contains(offered, "LOGIN"):
		err = c.Auth(loginAuth{s.User, s.Password})
	default:
		return fmt.Errorf("%s offers neither AUTH PLAIN nor LOGIN", s.Address)
	}
	if err != nil {
		return fmt.Errorf("the login as %s failed: %w", s.User, err)
	}
	return nil
}

// plainAuth is AUTH PLAIN (RFC 4616). Whether a password may be given away was
// decided before, by a stricter rule than net/smtp's.
type plainAuth struct{ user, password string }

func (a plainAuth) Start(*smtp.ServerInfo) (string, []byte, error) {
	return "PLAIN", []byte("\x00" + a.user + "\x00" + a.password), nil
}

func (a plainAuth) Next(_ []byte, more bool) ([]byte, error) {
	if more {
		return nil, errors.New("AUTH PLAIN was asked for more")
	}
	return nil, nil
}

// loginAuth is AUTH LOGIN: the user first, the password then, whatever the
// server's words are.
type loginAuth struct{ user, password string }

func (a loginAuth) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

func (a loginAuth) Next(asked []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case strings.Contains(strings.ToLower(string(asked)), "user"):
		return []byte(a.user), nil
	}
	return []byte(a.password), nil
}

// offers are the extensions that matter to a report.
func offers(c *smtp.Client) (can Extensions) {
	can.EightBit, _ = c.Extension("8BITMIME")
	can.UTF8, _ = c.Extension("SMTPUTF8")
	_, size := c.Extension("SIZE")
	can.Size, _ = strconv.ParseInt(size, 10, 64) // 0 for one that does not say
	return can
}

// send makes the transaction and returns the server's answer to it.
func send(c *smtp.Client, l Letter, can Extensions) (said string, err error) {
	params := ""
	if l.EightBit {
		params += " BODY=8BITMIME"
	}
	if l.UTF8 {
		params += " SMTPUTF8"
	}
	if can.Size > 0 {
		params += fmt.Sprintf(" SIZE=%d", len(l.Text))
	}
	if _, err := command(c, 250, "MAIL FROM:<>%s", params); err != nil {
		return "", err
	}
	notify := ""
	if dsn, _ := c.Extension("DSN"); dsn {
		notify = " NOTIFY=NEVER"
	}
	if _, err := command(c, 25, "RCPT TO:%s%s", (&mail.Address{Address: l.To}).String(), notify); err != nil {
		return "", err
	}
	if _, err := command(c, 354, "DATA"); err != nil {
		return "", err
	}
	w := c.Text.DotWriter()
	if _, err := w.Write(l.Text); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	_, said, err = c.Text.ReadResponse(250)
	return said, err
}

// command says a line and reads its reply.
func command(c *smtp.Client, expect int, format string, args ...any) (said string, err error) {
	if err := c.Text.PrintfLine(format, args...); err != nil {
		return "", err
	}
	_, said, err = c.Text.ReadResponse(expect)
	return said, err
}

// refused makes a refusal of a transaction's 5xx. That a login is wanted (530) is
// no word about the report.
func refused(err error) error {
	var reply *textproto.Error
	if errors.As(err, &reply) && reply.Code >= 500 && reply.Code != 530 {
		return refusal{err}
	}
	return err
}
