package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
)

const (
	// mailLimit is how long one transaction with a smarthost may take. A server may need ten
	// minutes for its reply to the whole message (RFC 5321, section 4.5.3.2.6).
	mailLimit = 20 * time.Minute

	// maxUnanswered is how many attempts may end without a reply to the whole message. Each
	// of them may have delivered it.
	maxUnanswered = 5

	probeLimit = time.Minute // of a connection that only greets and logs in
)

// mail is what came of a transaction with a smarthost.
type mail struct {
	reply   string // to the whole message, without its code
	reports bool   // the server sends the delivery reports that the client asked for
}

// mail makes the one transaction of r's task: the message as it came, to one recipient.
func (s *Scheduler) mail(ctx context.Context, server *smarthost.Server, r *result) {
	content, err := s.o.Store.Content(ctx, r.task.QueueID)
	switch {
	case errors.Is(err, spool.ErrNotFound) || err == nil && content.Raw == nil:
		r.noCall = "the received message is no longer in the spool"
		return
	case err != nil:
		r.problem = &heymarket.Error{
			Class:  heymarket.Again,
			Reason: "the message could not be read: " + err.Error(),
			Err:    err,
		}
		return
	}
	session, err := server.Connect(ctx)
	if err == nil {
		defer session.Close()
		r.mail.reports = session.Offers.DSN
		r.mail.reply, err = session.Send(messageFor(r.task, content.Raw, session.Offers))
	}
	if err != nil {
		r.problem = mailProblem(server.Address, err)
	}
}

// messageFor is what leaves of a message, without the fields that nobody may see. Its octets cannot
// be made to fit a server that takes ASCII alone: that would change them. SMTPUTF8 is required
// for addresses alone; raw octets in a header are older than it, and go with 8BITMIME.
func messageFor(t *spool.Task, raw []byte, can smarthost.Offers) smarthost.Message {
	text := mimeconv.Public(raw)
	header, _, _ := bytes.Cut(text, []byte("\r\n\r\n"))
	to := slices.Concat(t.To, t.Cc)[0]
	m := smarthost.Message{
		From:       t.Sender,
		To:         smarthost.Recipient{Path: to},
		EightBit:   !smarthost.IsASCII(text),
		UTF8:       !smarthost.IsASCII(t.Sender+to) || can.UTF8 && !smarthost.IsASCII(header),
		Text:       text,
		EnvelopeID: t.EnvelopeID,
		Return:     t.Return,
	}
	if len(t.DSN) > 0 {
		m.To.Notify = t.DSN[0].Notify
		m.To.Original = t.DSN[0].Original
	}
	return m
}

// mailProblem is why a transaction with the server at an address failed, sorted as the failures
// of calls are: a 5xx is Invalid, a login or certificate that is refused is Denied, and
// everything else may succeed later.
func mailProblem(address string, err error) *heymarket.Error {
	e := &heymarket.Error{Class: heymarket.Again, Reason: smarthost.OneLine(err.Error()), Err: err}
	code, text, replied := smarthost.Refusal(err)
	if replied {
		command, _, _ := strings.Cut(err.Error(), ":")
		e.Status = code
		e.Reason = fmt.Sprintf("%d %s (%s, in reply to %s)", code, smarthost.OneLine(text), address, command)
	}
	switch {
	case errors.As(err, new(smarthost.Denied)):
		e.Class = heymarket.Denied
	case errors.As(err, new(smarthost.Refused)):
		e.Class = heymarket.Invalid
	case errors.As(err, new(smarthost.Unanswered)):
		e.Unknown = true
		e.Reason = "no reply to the whole message, which may have been delivered: " + e.Reason
	case !replied:
		e.Reason = "no reply from " + address + ": " + e.Reason
	}
	return e
}

// mailed judges a transaction with a smarthost.
func (s *Scheduler) mailed(r *result, o spool.Outcome) spool.Outcome {
	switch {
	case r.problem == nil:
		o.State = spool.Sent
		o.Status = 250
		o.Reason = "250 " + smarthost.OneLine(r.mail.reply)
		if r.task.Unknown {
			o.Reason += "; an earlier attempt may have delivered it, too"
		}
		return o
	case r.problem.Class == heymarket.Denied:
		return s.denied(o)
	case r.problem.Class == heymarket.Invalid:
		return s.failed(o)
	case r.problem.Unknown && len(r.task.Sends)+1 >= maxUnanswered:
		o.State = spool.Failed
		o.Reason = fmt.Sprintf("%s; it is not sent again after %d such attempts", o.Reason, maxUnanswered)
		return o
	}
	return s.retry(o, 0)
}

// peer is what a team's requests are sent to, for people.
func peer(team string) string {
	if _, ok := spool.SmarthostRoute(team); ok {
		return "the smarthost"
	}
	return "the API"
}
