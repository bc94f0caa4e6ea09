package smtpd

import (
	"bytes"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// private reports whether nobody can intercept what the client sends.
func (c *conn) private() bool {
	return c.encrypted || !c.client.IsValid() || c.client.IsLoopback()
}

// AuthMechanisms implements smtp.AuthSession: what EHLO offers.
func (s *session) AuthMechanisms() []string {
	if len(s.conn.setup.Users) == 0 || !s.conn.private() {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth implements smtp.AuthSession (RFC 4954).
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch {
	case len(s.conn.setup.Users) == 0:
		return nil, refuse(502, smtp.EnhancedCode{5, 5, 1}, "AUTH is not offered here") // RFC 5321, section 4.2.4
	case !s.conn.greeted:
		return nil, errNoHello()
	case s.mail != nil: // RFC 4954, section 4
		return nil, refuse(503, smtp.EnhancedCode{5, 5, 1}, "AUTH is not allowed in a transaction: send RSET first")
	case !s.conn.private(): // RFC 4954, section 6
		s.conn.next.note = s.conn.encryptionHint()
		return nil, refuse(538, smtp.EnhancedCode{5, 7, 11}, "Encryption required%s", s.conn.useSTARTTLS())
	case mechanism == sasl.Plain:
		return &plainServer{session: s}, nil
	case mechanism == sasl.Login:
		return &loginServer{session: s}, nil
	}
	return nil, refuse(504, smtp.EnhancedCode{5, 5, 4}, "Unsupported mechanism: use PLAIN or LOGIN")
}

// useSTARTTLS returns the advice for a client without encryption, "" if there is none.
func (c *conn) useSTARTTLS() string {
	if c.access().TLS != nil {
		return ": use STARTTLS"
	}
	return ""
}

// encryptionHint says in the log how clients can get encryption.
func (c *conn) encryptionHint() string {
	if c.access().TLS != nil {
		return ""
	}
	return "set " + c.access().key("tls") + " to starttls"
}

// errNoHello refuses a client that has not greeted.
func errNoHello() error {
	return refuse(503, smtp.EnhancedCode{5, 5, 1}, "Send EHLO or HELO first")
}

// errMalformedResponse refuses a response that the mechanism does not define (RFC 4954,
// section 4).
func errMalformedResponse() error {
	return refuse(501, smtp.EnhancedCode{5, 5, 2}, "Malformed authentication response")
}

// plainServer is the mechanism PLAIN (RFC 4616).
type plainServer struct{ session *session }

// Next implements sasl.Server.
func (p *plainServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return nil, false, nil
	}
	f := bytes.Split(response, []byte{0})
	if len(f) != 3 {
		return nil, false, errMalformedResponse()
	}
	role, name, password := string(f[0]), string(f[1]), string(f[2])
	if role != "" && role != name { // nobody acts for another
		err := p.session.server.users.rejectRole(p.session.conn.setup, p.session.conn.client, name)
		return nil, false, p.session.loginFailed(name, err)
	}
	return nil, true, p.session.login(name, password)
}

// loginServer is the mechanism LOGIN, which was never standardized and is used everywhere
// (draft-murchison-sasl-login).
type loginServer struct {
	session *session
	name    *string
}

// Next implements sasl.Server. The name may come as initial response.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case bytes.IndexByte(response, 0) >= 0:
		return nil, false, errMalformedResponse()
	case l.name == nil:
		name := string(response)
		l.name = &name
		return []byte("Password:"), false, nil
	}
	return nil, true, l.session.login(*l.name, string(response))
}

// login verifies the password, and makes the client that user.
func (s *session) login(name, password string) error {
	c := s.conn
	err := s.server.users.login(s.server.ctx, c.setup, c.client, name, password)
	if err == nil {
		c.user = name
		c.password = c.setup.byName[name].Password
		return nil
	}
	return s.loginFailed(name, err)
}

// loginFailed replies to a failed login. The client does not see why a password is not enough.
func (s *session) loginFailed(name string, err error) error {
	c := s.conn
	c.next.note = "user " + strings.TrimSpace(printable(name, 64)) + ": " + err.Error()
	switch {
	case errors.Is(err, errBanned):
		return refuse(421, smtp.EnhancedCode{4, 7, 0}, "Too many failed logins, try again later")
	case errors.Is(err, errBusy): // RFC 4954, section 6
		return refuse(454, smtp.EnhancedCode{4, 7, 0}, "Too many logins at the moment, try again later")
	}
	// To wait slows down guessing, and takes no processor time.
	sleep(s.server.ctx, s.server.users.delay(c.client))
	return refuse(535, smtp.EnhancedCode{5, 7, 8}, "Authentication failed") // RFC 4954, section 6
}

// authorizeSender returns why the client may not send as from, nil if it may. What to change
// in the configuration is for the log: it is no business of a client that is refused.
func (s *session) authorizeSender(from string) error {
	c := s.conn
	if c.user != "" {
		user := c.setup.byName[c.user]
		if user.Senders == nil || user.Senders(from) {
			return nil
		}
		c.next.note = "add it to the senders of the user"
		name, sender := printable(c.user, 64), printable(from, 100)
		return refuse(553, smtp.EnhancedCode{5, 7, 1}, "User %s may not send as <%s>", name, sender)
	}
	if c.allowed() {
		return nil
	}
	c.next.note = "add " + c.client.String() + " to " + c.access().key("allow")
	switch {
	case len(s.conn.setup.Users) == 0:
		return refuse(550, smtp.EnhancedCode{5, 7, 1}, "Client %s is not authorized to send mail", c.client)
	case c.private(): // RFC 4954, section 6
		return refuse(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required")
	}
	if hint := c.encryptionHint(); hint != "" {
		c.next.note += ", or " + hint
	}
	return refuse(530, smtp.EnhancedCode{5, 7, 0}, "Encryption and authentication required%s", c.useSTARTTLS())
}
