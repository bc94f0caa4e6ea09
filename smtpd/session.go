package smtpd

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"
)

// session is the smtp.Session of one client. It begins with the first EHLO or HELO. Its
// methods are called on the connection's goroutine; for BDAT, Data is called on another one,
// which the connection's goroutine supplies with content.
type session struct {
	conn   *conn
	server *Server
	smtp   *smtp.Conn
	mail   *transaction   // nil if none is open
	busy   sync.WaitGroup // Data
}

// transaction is what MAIL opens (RFC 5321, section 3.3).
type transaction struct {
	env  *Envelope
	size int64 // as announced; 0 if it was not
}

func newSession(protocol *smtp.Conn) (smtp.Session, error) {
	c := protocol.Conn().(*conn)
	return &session{conn: c, server: c.server, smtp: protocol}, nil
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	if !s.conn.greeted { // RFC 3207, section 4.2: not since STARTTLS
		return errNoHello()
	}
	if s.mail != nil { // RFC 5321, section 4.1.4
		return refuse(503, smtp.EnhancedCode{5, 5, 1}, "Nested MAIL command: finish the transaction with DATA or RSET")
	}
	if s.conn.sender != nil {
		from = *s.conn.sender
	}
	from, err := cleanSender(from)
	if err != nil {
		return refuse(553, smtp.EnhancedCode{5, 1, 7}, "Invalid sender: %v", err)
	}
	if err := s.authorizeSender(from); err != nil {
		return err
	}
	if err := s.checkMail(o); err != nil {
		return err
	}
	env := &Envelope{
		QueueID:  s.server.o.NewID(),
		Client:   s.conn.client,
		Hello:    printable(s.smtp.Hostname(), 255),
		Protocol: s.conn.protocol(o.UTF8),
		User:     s.conn.user,
		From:     from,
		UTF8:     o.UTF8,

		EnvelopeID: o.EnvelopeID,
		Return:     string(o.Return),
	}
	if !s.conn.beginTransaction(env.QueueID) {
		return refuse(421, smtp.EnhancedCode{4, 3, 2}, "%s is shutting down, try again later", s.server.o.Hostname)
	}
	s.mail = &transaction{env, o.Size}
	return nil
}

// checkMail applies the limits to the parameters of MAIL, and counts the message.
func (s *session) checkMail(o *smtp.MailOptions) error {
	l := s.server.o.Limits
	if o.Size > l.MessageSize { // RFC 1870, section 6.1
		return errTooLarge(l.MessageSize)
	}
	if o.Size > s.server.memory.room(s.conn.account()) {
		return errNoMemory()
	}
	if len(o.EnvelopeID) > maxEnvelopeID {
		return refuse(501, smtp.EnhancedCode{5, 5, 4}, "ENVID is longer than %d characters", maxEnvelopeID)
	}
	account := s.conn.account()
	if limit := l.MessagesPerMinute; limit > 0 && s.server.messageRate.add(account, 1) > limit {
		return errTooFast("messages", account, limit)
	}
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	env, l := s.mail.env, s.server.o.Limits
	if len(env.Rcpt) >= l.Recipients { // RFC 5321, section 4.5.3.1.10
		return refuse(452, smtp.EnhancedCode{4, 5, 3}, "Too many recipients: the limit is %d", l.Recipients)
	}
	to, known := s.server.alias(trimDomainDot(to))
	if !known {
		return refuse(550, smtp.EnhancedCode{5, 1, 1}, "%+q is a local address, and this relay has no alias for it", to)
	}
	if err := CheckAddress(to, env.UTF8); err != nil {
		return refuse(553, smtp.EnhancedCode{5, 1, 3}, "Invalid recipient %+q: %v", to, err)
	}
	if len(o.OriginalRecipient) > maxOriginal {
		return refuse(501, smtp.EnhancedCode{5, 5, 4}, "ORCPT is longer than %d characters", maxOriginal)
	}
	account := s.conn.account()
	if limit := l.RecipientsPerMinute; limit > 0 && s.server.recipientRate.add(account, 1) > limit {
		return errTooFast("recipients", account, limit)
	}
	env.Rcpt = append(env.Rcpt, to)
	env.DSN = append(env.DSN, requestedDSN(o))
	if s.conn.dataStarted == nil {
		s.conn.dataStarted = make(chan struct{})
	}
	return nil
}

// alias returns where mail to a recipient goes. A local one without an alias is not known.
func (s *Server) alias(recipient string) (to string, known bool) {
	if s.o.Alias == nil {
		return recipient, true
	}
	return s.o.Alias(recipient)
}

func errTooFast(what, account string, limit int) error {
	text := fmt.Sprintf("Too many %s from %s (%d a minute), try again later", what, account, limit)
	return refuse(452, smtp.EnhancedCode{4, 7, 1}, "%s", text)
}

// The longest parameters of DSN (RFC 3461, sections 4.4 and 4.2).
const (
	maxEnvelopeID = 100
	maxOriginal   = 500
)

// requestedDSN returns what the parameters of RCPT request (RFC 3461, section 4).
func requestedDSN(o *smtp.RcptOptions) (d DSN) {
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
	close(s.conn.dataStarted)

	b := messageBuffer{
		memory:  s.server.memory,
		account: s.conn.account(),
		limit:   s.server.o.Limits.MessageSize,
	}
	defer b.free()
	err := s.read(&b, r)
	var refusal *smtp.SMTPError
	if errors.As(err, &refusal) {
		b.free()
		// The rest still belongs to the message; go-smtp would execute it as commands.
		_, err = io.Copy(io.Discard, r)
		if err == nil {
			return refusal
		}
	}
	if err != nil { // the connection has ended, or RSET ended the transaction
		return err
	}
	env := s.mail.env
	env.Received = s.server.o.Now()
	reply, failure := s.server.handle(env, b.raw)
	s.conn.next = replyInfo{
		message:     true,
		fromHandler: failure == nil,
		confirmed:   reply.Confirmed,
		written:     reply.Written,
		err:         failure,
	}
	enhanced, ok := parseEnhanced(reply.Enhanced, reply.Code)
	if !ok {
		enhanced = smtp.EnhancedCode{reply.Code / 100, 0, 0}
	}
	return refuse(reply.Code, enhanced, "%s", oneLine.Replace(reply.Text))
}

// read reads the message into b, with line endings as Options.BareLF says.
func (s *session) read(b *messageBuffer, r io.Reader) error {
	if err := b.read(r, s.mail.size); err != nil {
		return err
	}
	if s.server.o.BareLF == Repair {
		return b.normalizeLineEndings()
	}
	if where := findBareLineEnding(b.raw); where != "" {
		s.conn.next.note = "set bare_lf: repair to accept it"
		return refuse(554, smtp.EnhancedCode{5, 6, 0}, "%s: lines must end in CR LF", where)
	}
	return nil
}

// oneLine keeps go-smtp from splitting a text into several lines.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// handle calls the Handler. If it panics, or returns a reply that cannot follow DATA, the
// client gets a temporary error, and failure is for the log.
func (s *Server) handle(env *Envelope, raw []byte) (reply Reply, failure error) {
	defer func() {
		if v := recover(); v != nil {
			failure = panicError(v)
		} else if reply.Code != 250 && (reply.Code < 400 || reply.Code > 599) {
			failure = fmt.Errorf("the handler returned %d, which is not a reply to DATA", reply.Code)
		}
		if failure != nil {
			reply = Reply{
				Code:     451,
				Enhanced: "4.3.0",
				Text:     "Local error in processing, try again later (queue id " + env.QueueID + ")",
			}
		}
	}()
	return s.o.Handler.Handle(s.ctx, env, raw), nil
}

// Reset implements smtp.Session. go-smtp has made a Data that is still reading fail.
func (s *session) Reset() {
	s.busy.Wait()
	s.mail = nil
	s.conn.endTransaction()
}

// Logout implements smtp.Session. It must not panic: go-smtp does not recover here.
func (s *session) Logout() error {
	s.busy.Wait()
	return nil
}
