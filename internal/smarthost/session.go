package smarthost

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Session is an open connection to a server, ready for transactions. It is not safe
// for concurrent use.
type Session struct {
	Offers Offers
	NoTLS  error // why there is no TLS although the server offers it; nil if it does not, or TLS is used

	address string
	conn    net.Conn // below client
	client  *smtp.Client
	done    func() bool // ends the watch on the context
}

// Connect opens a session: it greets, encrypts and logs in. The connection breaks
// when ctx ends. The caller closes the session. Where STARTTLS need not be used and fails,
// Connect does without.
func (s *Server) Connect(ctx context.Context) (*Session, error) {
	session, err := s.connect(ctx, true)
	var failed optionalTLSError
	if !errors.As(err, &failed) {
		return session, err
	}
	session, err = s.connect(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("STARTTLS: %w", failed.error)
	}
	session.NoTLS = failed.error
	return session, nil
}

// optionalTLSError is a failure of a STARTTLS that need not be used.
type optionalTLSError struct{ error }

// connect is Connect, with STARTTLS or without.
func (s *Server) connect(ctx context.Context, useTLS bool) (*Session, error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	done := context.AfterFunc(ctx, func() { _ = conn.Close() })
	secured, client, err := s.greet(conn, useTLS)
	if err != nil {
		done()
		_ = conn.Close()
		return nil, err
	}
	o := Offers{}
	o.EightBit, _ = client.Extension("8BITMIME")
	o.UTF8, _ = client.Extension("SMTPUTF8")
	o.DSN, _ = client.Extension("DSN")
	size, _ := client.MaxMessageSize()
	o.Size = int64(size)
	return &Session{Offers: o, address: s.Address, conn: secured, client: client, done: done}, nil
}

// greet opens the SMTP session, with STARTTLS if useTLS is set and it is offered. Certificates are
// verified where an attacker could gain something: off this machine, with implicit TLS or a password.
// Otherwise the mail would also go in plaintext to a server without TLS: encryption that is weak or
// unverified is better than none, and none better than no mail (RFC 7435). greet returns the connection
// that the client is on, which is conn or TLS on conn.
func (s *Server) greet(conn net.Conn, useTLS bool) (net.Conn, *smtp.Client, error) {
	host, _, _ := net.SplitHostPort(s.Address)
	remote, _ := conn.RemoteAddr().(*net.TCPAddr)
	local := remote != nil && remote.IP.IsLoopback()
	secure := &tls.Config{ServerName: host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12}
	if local || !s.Implicit && s.User == "" {
		secure.InsecureSkipVerify = true
		secure.MinVersion = tls.VersionTLS10
	}
	if s.Implicit {
		conn = tls.Client(conn, secure)
	}
	client, err := s.hello(conn)
	if err != nil {
		return nil, nil, err
	}
	encrypted := s.Implicit
	if offered, _ := client.Extension("STARTTLS"); offered && useTLS && !encrypted {
		conn, client, err = s.encrypt(conn, secure)
		if err != nil {
			return nil, nil, err
		}
		encrypted = true
	}
	switch {
	case s.User == "":
		return conn, client, nil
	case !encrypted && !local:
		return nil, nil, Denied{
			fmt.Errorf("%s offers no STARTTLS; the password is not sent in plaintext", s.Address),
		}
	}
	return conn, client, s.login(client)
}

// encrypt begins TLS on a connection, and opens the SMTP session again.
func (s *Server) encrypt(conn net.Conn, secure *tls.Config) (_ net.Conn, client *smtp.Client, err error) {
	conn, err = startTLS(conn, secure)
	if err == nil {
		client, err = s.hello(conn)
	}
	switch {
	case err == nil:
		return conn, client, nil
	case secure.InsecureSkipVerify:
		return nil, nil, optionalTLSError{err}
	}
	return nil, nil, fmt.Errorf("STARTTLS: %w", err)
}

// hello opens an SMTP session under our own name.
func (s *Server) hello(conn net.Conn) (*smtp.Client, error) {
	client := smtp.NewClient(conn)
	err := client.Hello(s.Hostname)
	_, _, refused := Refusal(err)
	switch {
	case refused:
		err = fmt.Errorf("EHLO: %w", err)
	case isUntrusted(err):
		err = Denied{err}
	}
	return client, err
}

// isUntrusted reports whether the certificate of a server is not valid, or it does not speak TLS
// at all.
func isUntrusted(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(tls.RecordHeaderError))
}

// startTLS encrypts a connection (RFC 3207). go-smtp does so only together with a
// first greeting as localhost, which strict servers refuse, and without asking
// whether STARTTLS is offered. The new client reads the reply as its greeting.
func startTLS(conn net.Conn, config *tls.Config) (net.Conn, error) {
	text := textproto.NewConn(conn) // what the server sends behind its reply in plaintext stays in here
	if err := text.PrintfLine("STARTTLS"); err != nil {
		return nil, err
	}
	if _, _, err := text.ReadResponse(220); err != nil {
		return nil, err
	}
	secure := tls.Client(conn, config)
	return &greeted{Conn: secure, r: io.MultiReader(strings.NewReader("220 ready\r\n"), secure)}, nil
}

// greeted is a connection whose server has greeted already.
type greeted struct {
	net.Conn
	r io.Reader
}

// Read implements net.Conn.
func (g *greeted) Read(p []byte) (int, error) { return g.r.Read(p) }

// login authenticates with a mechanism that is offered (RFC 4954).
func (s *Server) login(client *smtp.Client) error {
	var mechanism sasl.Client
	switch {
	case client.SupportsAuth(sasl.Plain):
		mechanism = sasl.NewPlainClient("", s.User, s.Password())
	case client.SupportsAuth(sasl.Login):
		mechanism = &loginClient{user: s.User, password: s.Password()}
	default:
		return Denied{fmt.Errorf("%s offers neither AUTH PLAIN nor AUTH LOGIN", s.Address)}
	}
	err := client.Auth(mechanism)
	switch code, _, _ := Refusal(err); {
	case code >= 500:
		return Denied{fmt.Errorf("login as %s: %w", s.User, err)}
	case err != nil:
		return fmt.Errorf("login as %s: %w", s.User, err)
	}
	return nil
}

// loginClient is AUTH LOGIN. go-sasl's sends the user with the command and accepts
// no challenge but "Password:"; servers differ in both.
type loginClient struct{ user, password string }

// Start implements sasl.Client.
func (*loginClient) Start() (mechanism string, initial []byte, err error) {
	return sasl.Login, nil, nil
}

// Next implements sasl.Client.
func (l *loginClient) Next(challenge []byte) ([]byte, error) {
	if strings.Contains(strings.ToLower(string(challenge)), "user") {
		return []byte(l.user), nil
	}
	return []byte(l.password), nil
}

// Send makes one transaction and returns the server's reply to it, without its
// code. The error is [Refused] where the server does not accept this message at all,
// [Denied] where it wants a login, and [Unanswered] where it may have accepted the message.
func (c *Session) Send(m Message) (reply string, err error) {
	switch {
	case m.UTF8 && !c.Offers.UTF8:
		return "", Refused{fmt.Errorf("%s does not offer SMTPUTF8, which mail to <%s> needs", c.address, m.To.Path)}
	case m.EightBit && !c.Offers.EightBit:
		return "", Refused{fmt.Errorf("%s does not offer 8BITMIME, which mail to <%s> needs", c.address, m.To.Path)}
	}
	reply, err = c.transaction(m)
	switch code, _, _ := Refusal(err); {
	case code == 530: // it asks for a login
		err = Denied{err}
	case code/100 == 5:
		err = Refused{err}
	}
	return reply, err
}

func (c *Session) transaction(m Message) (reply string, err error) {
	err = c.Mail(Sender{
		Path:       m.From,
		UTF8:       m.UTF8,
		Size:       int64(len(m.Text)),
		EnvelopeID: m.EnvelopeID,
		Return:     m.Return,
	})
	if err != nil {
		return "", fmt.Errorf("MAIL: %w", err)
	}
	if err := c.Rcpt(m.To); err != nil {
		return "", fmt.Errorf("RCPT: %w", err)
	}
	reply, err = c.Data(m.Text)
	if err != nil {
		return "", fmt.Errorf("DATA: %w", err)
	}
	return reply, nil
}

// quitTime is how long a server may take to answer QUIT: the outcome of what was sent waits for it, and
// a client whose mail was passed on.
const quitTime = 5 * time.Second

// Close ends the session with QUIT. What was sent stays sent.
func (c *Session) Close() {
	c.client.CommandTimeout = quitTime
	_ = c.client.Quit()
	c.done()
	_ = c.client.Close()
}
