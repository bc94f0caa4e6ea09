package smtpd

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"
)

// session is what go-smtp asks about one client: smtp.Session. It begins with the
// first EHLO or HELO. All is called on the connection's goroutine, but for Data in
// the case of BDAT, while which that goroutine gives Data its content.
type session struct {
	*conn
	smtp *smtp.Conn
	mail *transaction   // nil where none is open
	busy sync.WaitGroup // Data
}

// transaction is what MAIL opens (RFC 5321, section 3.3).
type transaction struct {
	env  *Envelope
	size int64 // as announced; 0 where it was not
}

func newSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{conn: c.Conn().(*conn), smtp: c}, nil
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	l := s.server.o.Limits
	if !s.greeted { // RFC 3207, section 4.2: STARTTLS has made the client a stranger
		return strange()
	}
	if s.mail != nil { // RFC 5321, section 4.1.4
		return refuse(503, smtp.EnhancedCode{5, 5, 1}, "A transaction is open: complete it with DATA or end it with RSET")
	}
	if err := s.mayNot(from); err != nil {
		return err
	}
	if err := checkSender(from, o.UTF8); err != nil {
		return refuse(553, smtp.EnhancedCode{5, 1, 7}, "Sender: %v: %+q", err, from)
	}
	if o.Size > l.MessageSize { // RFC 1870, section 6.1
		return tooLarge(l.MessageSize)
	}
	if o.Size > s.server.memory.left.Load() {
		return tooMuch()
	}
	if len(o.EnvelopeID) > maxEnvelopeID {
		return refuse(501, smtp.EnhancedCode{5, 5, 4}, "ENVID is longer than %d characters", maxEnvelopeID)
	}
	if limit := l.MessagesPerMinute; limit > 0 && s.server.sent.add(s.who(), 1) > limit {
		return refuse(452, smtp.EnhancedCode{4, 7, 1}, "Too many messages of %s within a minute, the limit is %d: try again later", s.who(), limit)
	}
	env := &Envelope{
		QueueID:  s.server.o.NewID(),
		Client:   s.client,
		Hello:    printable(s.smtp.Hostname(), 255),
		Protocol: s.protocol(o.UTF8),
		User:     s.user,
		From:     from,
		UTF8:     o.UTF8,

		EnvelopeID: o.EnvelopeID,
		Return:     string(o.Return),
	}
	if !s.begin(env.QueueID) {
		return refuse(421, smtp.EnhancedCode{4, 3, 2}, "%s is shutting down, try again later", s.server.o.Hostname)
	}
	s.mail = &transaction{env, o.Size}
	return nil
}

// who is whose messages are counted together.
func (c *conn) who() string {
	n := network(c.client)
	switch {
	case c.user != "":
		return "user " + c.user
	case n.IsSingleIP():
		return n.Addr().String()
	case n.IsValid():
		return n.String()
	}
	return "the unix socket"
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	env := s.mail.env
	if limit := s.server.o.Limits.Recipients; len(env.Rcpt) >= limit { // RFC 5321, section 4.5.3.1.10
		return refuse(452, smtp.EnhancedCode{4, 5, 3}, "Too many recipients: the limit is %d", limit)
	}
	if err := CheckAddress(to, env.UTF8); err != nil {
		return refuse(553, smtp.EnhancedCode{5, 1, 3}, "Recipient: %v: %+q", err, to)
	}
	if len(o.OriginalRecipient) > maxOriginal {
		return refuse(501, smtp.EnhancedCode{5, 5, 4}, "ORCPT is longer than %d characters", maxOriginal)
	}
	if limit := s.server.o.Limits.RecipientsPerMinute; limit > 0 && s.server.named.add(s.who(), 1) > limit {
		return refuse(452, smtp.EnhancedCode{4, 7, 1}, "Too many recipients of %s within a minute, the limit is %d: try again later", s.who(), limit)
	}
	env.Rcpt, env.DSN = append(env.Rcpt, to), append(env.DSN, asked(o))
	if s.reading == nil {
		s.reading = make(chan struct{})
	}
	return nil
}

// The longest parameters of DSN (RFC 3461, sections 4.4 and 4.2).
const (
	maxEnvelopeID = 100
	maxOriginal   = 500
)

// asked is what RCPT asked for (RFC 3461, section 4).
func asked(o *smtp.RcptOptions) (d DSN) {
	for _, n := range o.Notify {
		d.Notify = append(d.Notify, string(n))
	}
	if o.OriginalRecipient != "" {
		d.Original = strings.ToLower(string(o.OriginalRecipientType)) + ";" + o.OriginalRecipient
	}
	return d
}

// Data implements smtp.Session, for DATA and BDAT.
func (s *session) Data(r io.Reader) error {
	s.busy.Add(1)
	defer s.busy.Done()
	close(s.reading)

	in := intake{memory: &s.server.memory, limit: s.server.o.Limits.MessageSize}
	defer in.drop()
	err := in.read(r, s.mail.size)
	if err == nil {
		err = in.endLines(s.server.o.BareLF)
	}
	var refusal *smtp.SMTPError
	if errors.As(err, &refusal) {
		in.drop()
		// The rest is still the message; go-smtp would take it for commands.
		if _, err = io.Copy(io.Discard, r); err == nil {
			return refusal
		}
	}
	if err != nil { // the connection has ended, or RSET ended the transaction
		return err
	}
	env := s.mail.env
	env.Received = s.server.o.Now()
	reply, failure := s.server.handle(env, in.raw)
	s.answer = answer{handlers: failure == nil, heard: reply.Confirmed, left: reply.Written, err: failure}
	enhanced, ok := parseEnhanced(reply.Enhanced, reply.Code)
	if !ok {
		enhanced = smtp.EnhancedCode{reply.Code / 100, 0, 0}
	}
	return refuse(reply.Code, enhanced, "%s", oneLine.Replace(reply.Text))
}

// oneLine keeps go-smtp from making several lines of a text.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// handle asks the Handler. Where it panics, or its reply is none that can follow
// DATA, the client is told to come again; failure is then for the log.
func (s *Server) handle(env *Envelope, raw []byte) (reply Reply, failure error) {
	defer func() {
		if v := recover(); v != nil {
			failure = panicked(v)
		} else if reply.Code != 250 && (reply.Code < 400 || reply.Code > 599) {
			failure = fmt.Errorf("the handler replied %d, which is no reply to DATA", reply.Code)
		}
		if failure != nil {
			reply = Reply{Code: 451, Enhanced: "4.3.0", Text: "Trouble here, not with the message; try again later (queue id " + env.QueueID + ")"}
		}
	}()
	return s.o.Handler.Handle(s.ctx, env, raw), nil
}

// Reset implements smtp.Session. go-smtp has made a Data that is still reading fail.
func (s *session) Reset() {
	s.busy.Wait()
	s.mail = nil
	s.finish()
}

// Logout implements smtp.Session. It must not panic: go-smtp does not recover here.
func (s *session) Logout() error {
	s.busy.Wait()
	return nil
}
