package smtpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

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
	env     *Envelope
	relayed Relayed // nil if the Handler gets the message
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
	if err := s.checkParameters(); err != nil {
		return err
	}
	if s.conn.sender != nil {
		from = *s.conn.sender
	}
	s.conn.next.from = loggable(from)
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
		Size:     o.Size,

		EnvelopeID: o.EnvelopeID,
		Return:     string(o.Return),
	}
	if !s.conn.beginTransaction(env.QueueID, from) {
		return refuse(421, smtp.EnhancedCode{4, 3, 2}, "%s is shutting down, try again later", s.conn.setup.Hostname)
	}
	s.mail = &transaction{env: env}
	if s.conn.setup.Relay == nil {
		return nil
	}
	return s.beginRelayed()
}

// beginRelayed begins the transaction at the next hop, if there is one for this client.
func (s *session) beginRelayed() error {
	relayed, refusal := s.conn.setup.Relay(s.server.ctx, s.mail.env)
	if refusal != nil {
		err := s.reply(*refusal, nil)
		s.mail = nil
		s.conn.endTransaction()
		return err
	}
	s.mail.relayed = relayed
	return nil
}

// checkParameters refuses a command of which a parameter has two values.
func (s *session) checkParameters() error {
	if name := s.conn.ambiguous; name != "" {
		return refuse(501, smtp.EnhancedCode{5, 5, 4}, "%s is given twice, with different values", loggable(name))
	}
	return nil
}

// loggable shortens what a client gave as an address to the length of one.
func loggable(address string) string {
	return strings.ToValidUTF8(address[:min(len(address), maxAddress)], "?")
}

// checkMail applies the limits to the parameters of MAIL, and counts the message.
func (s *session) checkMail(o *smtp.MailOptions) error {
	l := s.conn.setup.Limits
	if o.Size > l.MessageSize { // RFC 1870, section 6.1
		return errTooLarge(l.MessageSize)
	}
	account := s.conn.account()
	if err := s.server.memory.check(l, account, o.Size); err != nil {
		return errNoMemory(err, account)
	}
	if len(o.EnvelopeID) > maxEnvelopeID {
		return refuse(501, smtp.EnhancedCode{5, 5, 4}, "ENVID is longer than %d characters", maxEnvelopeID)
	}
	if limit := l.MessagesPerMinute; limit > 0 && s.server.messageRate.add(account, 1, time.Minute) > limit {
		return errTooFast("messages", account, limit)
	}
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	env, l := s.mail.env, s.conn.setup.Limits
	s.conn.next.to = loggable(to)
	if err := s.checkParameters(); err != nil {
		return err
	}
	if len(env.Rcpt) >= l.Recipients { // RFC 5321, section 4.5.3.1.10
		return refuse(452, smtp.EnhancedCode{4, 5, 3}, "Too many recipients: the limit is %d", l.Recipients)
	}
	if s.mail.relayed == nil {
		resolved, refusal := Recipient(to, env.UTF8, s.conn.setup.Alias)
		if refusal != nil {
			if refusal.Enhanced == noSuchMailbox {
				s.conn.next.note = "add it to aliases"
			}
			return s.reply(*refusal, nil)
		}
		to = resolved
	} else if s.conn.recipient != nil {
		to = *s.conn.recipient
	}
	if len(o.OriginalRecipient) > maxOriginal {
		return refuse(501, smtp.EnhancedCode{5, 5, 4}, "ORCPT is longer than %d characters", maxOriginal)
	}
	account := s.conn.account()
	if limit := l.RecipientsPerMinute; limit > 0 && s.server.recipientRate.add(account, 1, time.Minute) > limit {
		return errTooFast("recipients", account, limit)
	}
	dsn := requestedDSN(o)
	if s.mail.relayed != nil {
		if reply := s.mail.relayed.Rcpt(s.server.ctx, to, dsn); reply.Code/100 != 2 {
			return s.reply(reply, nil)
		}
	}
	env.Rcpt = append(env.Rcpt, to)
	env.DSN = append(env.DSN, dsn)
	if s.conn.dataStarted == nil {
		s.conn.dataStarted = make(chan struct{})
	}
	return nil
}

// noSuchMailbox is the status of a local address without an alias (RFC 3463, section 3.2).
const noSuchMailbox = "5.1.1"

// Recipient returns where mail to the recipient of a RCPT command goes, as a server with
// this Settings.Alias decides, or its reply to one that it refuses.
func Recipient(address string, smtpUTF8 bool, alias func(string) (string, bool)) (to string, refusal *Reply) {
	to, known := trimDomainDot(address), true
	if alias != nil {
		to, known = alias(to)
	}
	if !known {
		text := fmt.Sprintf("%+q is a local address, and this relay has no alias for it", to)
		return "", &Reply{Code: 550, Enhanced: noSuchMailbox, Text: text}
	}
	if err := CheckAddress(to, smtpUTF8); err != nil {
		return "", &Reply{Code: 553, Enhanced: "5.1.3", Text: fmt.Sprintf("Invalid recipient %+q: %v", to, err)}
	}
	return to, nil
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
	if s.conn.verb == "DATA" {
		r = &contentReader{conn: s.conn}
	}
	close(s.conn.dataStarted)

	b := messageBuffer{
		memory:  s.server.memory,
		account: s.conn.account(),
		limits:  s.conn.setup.Limits,
	}
	defer b.free()
	err := s.read(&b, r)
	var refusal *smtp.SMTPError
	if errors.As(err, &refusal) {
		b.free()
		// The rest still belongs to the message, and must not be executed as commands.
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
	env.Reserve = b.reserve
	env.buffer = &b
	receive := s.conn.setup.Handler.Handle
	if s.mail.relayed != nil {
		receive = s.mail.relayed.Data
	}
	growStack()
	reply, failure := s.server.handle(receive, env, b.raw)
	s.conn.next = replyInfo{
		message:     true,
		fromHandler: failure == nil,
		confirmed:   reply.Confirmed,
		written:     reply.Written,
	}
	return s.reply(reply, failure)
}

// reply makes an error of a reply, which go-smtp sends to the client. The cause is for the
// log.
func (s *session) reply(r Reply, cause error) error {
	s.conn.next.err = cause
	if r.Lines != nil {
		s.conn.next.lines = r.Lines
		s.conn.next.note = "the next hop's reply"
	}
	enhanced, ok := parseEnhanced(r.Enhanced, r.Code)
	if !ok {
		enhanced = smtp.EnhancedCode{r.Code / 100, 0, 0}
	}
	return refuse(r.Code, enhanced, "%s", oneLine.Replace(r.Text))
}

// read reads the message into b, with line endings as Settings.BareLF says.
func (s *session) read(b *messageBuffer, r io.Reader) error {
	if err := b.read(r, s.mail.env.Size); err != nil {
		return err
	}
	if s.mail.relayed != nil {
		return nil
	}
	if s.conn.setup.BareLF == Repair {
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

// handle calls receive: the Handler, or what passes the message on. If it panics, or
// returns a reply that cannot follow DATA, the client gets a temporary error, and failure is
// for the log.
func (s *Server) handle(
	receive func(context.Context, *Envelope, []byte) Reply, env *Envelope, raw []byte,
) (reply Reply, failure error) {
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
	return receive(s.ctx, env, raw), nil
}

// Reset implements smtp.Session. go-smtp has made a Data that is still reading fail.
func (s *session) Reset() {
	s.busy.Wait()
	s.endRelayed()
	s.mail = nil
	s.conn.endTransaction()
}

// endRelayed ends the transaction at the next hop, if there is one.
func (s *session) endRelayed() {
	if s.mail != nil && s.mail.relayed != nil {
		s.mail.relayed.Close()
	}
}

// Logout implements smtp.Session. It must not panic: go-smtp does not recover here.
func (s *session) Logout() error {
	s.busy.Wait()
	s.endRelayed()
	s.conn.endTransaction()
	return nil
}
