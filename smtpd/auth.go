package smtpd

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// private says whether nobody else can listen.
func (c *conn) private() bool {
	return c.encrypted || !c.client.IsValid() || c.client.IsLoopback()
}

// AuthMechanisms implements smtp.AuthSession: what EHLO offers.
func (s *session) AuthMechanisms() []string {
	if len(s.server.o.Users) == 0 || !s.private() {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth implements smtp.AuthSession (RFC 4954).
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch {
	case len(s.server.o.Users) == 0:
		return nil, refuse(502, smtp.EnhancedCode{5, 5, 1}, "AUTH is not offered here") // RFC 5321, section 4.2.4
	case !s.greeted:
		return nil, strange()
	case s.mail != nil: // RFC 4954, section 4
		return nil, refuse(503, smtp.EnhancedCode{5, 5, 1}, "A transaction is open: complete it or end it with RSET before AUTH")
	case !s.private(): // RFC 4954, section 6
		return nil, refuse(538, smtp.EnhancedCode{5, 7, 11}, "Encryption is required: %s", s.howToEncrypt())
	case mechanism == sasl.Plain:
		return &plain{session: s}, nil
	case mechanism == sasl.Login:
		return &login{session: s}, nil
	}
	return nil, refuse(504, smtp.EnhancedCode{5, 5, 4}, "Known mechanisms are PLAIN and LOGIN")
}

// howToEncrypt says what to do where nothing is encrypted.
func (c *conn) howToEncrypt() string {
	if c.listener.TLS != nil {
		return "say STARTTLS first"
	}
	return "set " + c.listener.Name + ".tls to starttls"
}

// strange refuses whoever has not greeted.
func strange() error {
	return refuse(503, smtp.EnhancedCode{5, 5, 1}, "Please introduce yourself first.")
}

// malformed refuses what is no answer to a challenge (RFC 4954, section 4).
func malformed() error {
	return refuse(501, smtp.EnhancedCode{5, 5, 2}, "That is no answer that the mechanism knows")
}

// plain is the mechanism of RFC 4616.
type plain struct{ *session }

// Next implements sasl.Server.
func (p *plain) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return nil, false, nil
	}
	f := bytes.Split(response, []byte{0})
	if len(f) != 3 {
		return nil, false, malformed()
	}
	role, name, password := string(f[0]), string(f[1]), string(f[2])
	if role != "" && role != name { // nobody speaks for another
		return nil, false, refuse(535, smtp.EnhancedCode{5, 7, 8}, "Authentication failed")
	}
	return nil, true, p.login(name, password)
}

// login is the mechanism that was never standardised and is everywhere
// (draft-murchison-sasl-login).
type login struct {
	*session
	name *string
}

// Next implements sasl.Server. The name may come on the first line.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case bytes.IndexByte(response, 0) >= 0:
		return nil, false, malformed()
	case l.name == nil:
		name := string(response)
		l.name = &name
		return []byte("Password:"), false, nil
	}
	return nil, true, l.login(*l.name, string(response))
}

// login says whether the password is the user's, and makes the client that user.
func (s *session) login(name, password string) error {
	err := s.server.users.login(s.server.ctx, s.client, name, password)
	if err == nil {
		s.user = name
		return nil
	}
	s.answer.note = "user " + strings.TrimSpace(printable(name, 64)) + ": " + err.Error()
	switch {
	case errors.Is(err, errBanned):
		return refuse(421, smtp.EnhancedCode{4, 7, 0}, "Too many failed logins, try again later")
	case errors.Is(err, errBusy): // RFC 4954, section 6
		return refuse(454, smtp.EnhancedCode{4, 7, 0}, "Too many logins at the moment, try again later")
	}
	// Who guesses is to wait; it keeps no processor busy.
	wait := time.NewTimer(s.server.users.delay(s.client))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-s.server.ctx.Done():
	}
	return refuse(535, smtp.EnhancedCode{5, 7, 8}, "Authentication failed") // RFC 4954, section 6
}

// mayNot says why the client may not send as from; nil where it may.
func (s *session) mayNot(from string) error {
	user, hint := s.server.users.byName[s.user], "add "+s.client.String()+" to "+s.listener.Name+".allow"
	switch {
	case s.user != "" && (user.Senders == nil || user.Senders(from)):
		return nil
	case s.user != "":
		return refuse(553, smtp.EnhancedCode{5, 7, 1}, "User %s may not send as <%s>: add it to the user's senders", printable(s.user, 64), printable(from, 100))
	case s.allowed():
		return nil
	case len(s.server.o.Users) == 0:
		return refuse(550, smtp.EnhancedCode{5, 7, 1}, "%s may not send here: %s", s.client, hint)
	case s.private(): // RFC 4954, section 6
		return refuse(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required, or %s", hint)
	}
	return refuse(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required, and before it encryption: %s; or %s", s.howToEncrypt(), hint)
}
