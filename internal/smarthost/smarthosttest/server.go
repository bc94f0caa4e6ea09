// Package smarthosttest is a mail server for tests: it remembers what it was sent.
package smarthosttest

import (
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Server is a mail server on loopback. Its user is heyrelay, with the password sesame.
type Server struct {
	*smtp.Server
	Address string                     // host:port
	Refuse  func(command string) error // nil: nothing is refused
	Login   []string                   // AUTH mechanisms; none: no login is required

	mu    sync.Mutex
	taken []Transaction
}

// Transaction is a message that the server accepted.
type Transaction struct {
	Hello    string // the name in EHLO
	User     string // mechanism and name of the login
	From, To string
	Secure   bool
	Mail     smtp.MailOptions
	Rcpt     smtp.RcptOptions
	Text     string
}

// session is a connection to it.
type session struct {
	s    *Server
	conn *smtp.Conn
	now  Transaction
}

// Serve starts a server, which ends with the test. A change that is not nil is made
// before it starts.
func Serve(t testing.TB, change func(*Server)) *Server {
	t.Helper()
	s := &Server{}
	s.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{s: s, conn: c}, nil
	}))
	s.Domain = "mail.example.com"
	s.EnableDSN = true
	s.EnableSMTPUTF8 = true
	s.AllowInsecureAuth = true
	s.ErrorLog = log.New(io.Discard, "", 0)
	if change != nil {
		change(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		_ = l.Close() // Serve may not have begun
		if err := <-done; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// Refusing is a change for Serve: the server refuses a command, always in the same words.
func Refusing(command string, code int, text string) func(*Server) {
	return func(s *Server) {
		s.Refuse = func(c string) error {
			if c != command {
				return nil
			}
			return &smtp.SMTPError{Code: code, Message: text}
		}
	}
}

// Taken returns the accepted messages in order.
func (s *Server) Taken() []Transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

func (c *session) may(command string) error {
	if c.s.Refuse == nil {
		return nil
	}
	return c.s.Refuse(command)
}

func (c *session) Mail(from string, o *smtp.MailOptions) error {
	if len(c.s.Login) > 0 && c.now.User == "" {
		return smtp.ErrAuthRequired
	}
	_, secure := c.conn.TLSConnectionState()
	c.now = Transaction{Hello: c.conn.Hostname(), User: c.now.User, From: from, Secure: secure, Mail: *o}
	return c.may("MAIL")
}

func (c *session) Rcpt(to string, o *smtp.RcptOptions) error {
	c.now.To = to
	c.now.Rcpt = *o
	return c.may("RCPT")
}

func (c *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.now.Text = string(text)
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

func (c *session) AuthMechanisms() []string { return c.s.Login }

func (c *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "heyrelay" || password != "sesame" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "who are you"}
		}
		c.now.User = mechanism + " " + user
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
