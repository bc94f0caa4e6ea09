package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
	"heyrelay/threading"
)

// Relay implements smtpd.Settings.Relay: on a route with a shadow, each command is passed on
// to the next hop, and its reply to the client. What heyrelay itself would have done is
// recorded, and never sent.
func (h *Handler) Relay(ctx context.Context, env *smtpd.Envelope) (smtpd.Relayed, *smtpd.Reply) {
	route, ok := h.o.Config.ShadowRoute(env.User, env.Client, env.From)
	if !ok {
		return nil, nil
	}
	s := &shadow{h: h, route: route, queueID: env.QueueID}
	ctx, s.cut = context.WithCancel(ctx)
	session, err := h.o.Next[route.Name].Connect(ctx)
	if err != nil {
		s.cut()
		return nil, s.unreachable(err)
	}
	s.session = session
	if refusal := s.needsUTF8(env.From, "sender"); refusal != nil {
		s.Close()
		return nil, refusal
	}
	err = session.Mail(smarthost.Sender{
		Path:       env.From,
		UTF8:       env.UTF8 && session.Offers.UTF8,
		Size:       env.Size,
		EnvelopeID: env.EnvelopeID,
		Return:     env.Return,
	})
	if err != nil {
		reply := s.failure(err)
		s.Close()
		return nil, reply
	}
	return s, nil
}

// shadow is a transaction that the next hop replies to.
type shadow struct {
	h       *Handler
	route   *config.Route // of its next hop
	session *smarthost.Session
	cut     func() // breaks the connection
	broken  bool   // it was cut, or the next hop has closed it
	queueID string
}

// Rcpt implements smtpd.Relayed.
func (s *shadow) Rcpt(_ context.Context, recipient string, d smtpd.DSN) smtpd.Reply {
	if s.broken {
		return *s.lost()
	}
	if refusal := s.needsUTF8(recipient, "recipient"); refusal != nil {
		return *refusal
	}
	err := s.session.Rcpt(smarthost.Recipient{Path: recipient, Notify: d.Notify, Original: d.Original})
	if err != nil {
		return *s.failure(err)
	}
	return smtpd.Reply{Code: 250}
}

// Data implements smtpd.Relayed. The message is planned before it is passed on, so that
// nothing but storing the record remains to be done once the next hop has it.
func (s *shadow) Data(ctx context.Context, env *smtpd.Envelope, raw []byte) smtpd.Reply {
	if s.broken {
		return *s.lost()
	}
	received := slices.Concat(env.Trace(s.h.o.Config.Hostname), raw)
	record, looping := s.plan(ctx, env, received[len(received)-len(raw):])
	if looping != nil {
		return s.h.refuse(env, raw, looping)
	}
	record.Raw = received
	text := received
	if smtpd.EndsEarly(text) {
		text = smtpd.RepairLineEndings(text)
	}
	if smtpd.EndsEarly(text) {
		return s.h.refuse(env, raw, errEndsEarly)
	}
	reply, err := s.session.Data(text)
	if err != nil {
		refused := s.failure(err)
		s.h.recordRefused(env, raw, *refused, nil)
		return *refused
	}
	record.Shadow.Reply = s.route.Shadow.Next + " replied 250 " + smarthost.OneLine(reply)
	return smtpd.Reply{
		Code:      250,
		Lines:     strings.Split(reply, "\n"),
		Confirmed: s.store(context.WithoutCancel(ctx), env, record),
	}
}

// Close implements smtpd.Relayed.
func (s *shadow) Close() {
	defer s.cut()
	if s.session == nil {
		return
	}
	s.session.Close()
	s.session = nil
}

// needsUTF8 is the reply to an address that the next hop cannot be given (RFC 6531, section
// 3.2), nil for others. Many clients declare SMTPUTF8 whenever it is offered.
func (s *shadow) needsUTF8(address, whose string) *smtpd.Reply {
	if smarthost.IsASCII(address) || s.session.Offers.UTF8 {
		return nil
	}
	text := fmt.Sprintf("%s does not offer SMTPUTF8, which this %s needs", s.route.Shadow.Next, whose)
	return &smtpd.Reply{Code: 553, Enhanced: "5.6.7", Text: text}
}

// unreachable is the reply if the next hop cannot be reached, or is lost.
func (s *shadow) unreachable(cause error) *smtpd.Reply {
	s.broken = true
	s.h.recordError(s.queueID, "the next hop "+s.route.Shadow.Next+" failed; the client can try again", cause)
	return s.lost()
}

// lost is the reply without a connection to the next hop.
func (s *shadow) lost() *smtpd.Reply {
	text := "The connection to " + s.route.Shadow.Next + " failed, try again later"
	return &smtpd.Reply{Code: 451, Enhanced: "4.4.1", Text: text}
}

// failure is the reply of the next hop to a command that it refused, as it is; or that of
// unreachable.
func (s *shadow) failure(err error) *smtpd.Reply {
	code, text, refused := smarthost.Refusal(err)
	if !refused || code/100 != 4 && code/100 != 5 {
		return s.unreachable(err)
	}
	return &smtpd.Reply{Code: code, Lines: strings.Split(text, "\n")}
}

// plan returns what is recorded of a message: what would have been stored, or refused. Only
// a looping message is refused in fact: the next hop could be sending it here.
func (s *shadow) plan(ctx context.Context, env *smtpd.Envelope, raw []byte) (m *spool.Message, looping error) {
	header := readHeader(raw)
	looping = s.h.planner.checkLoop(&header)
	if looping != nil {
		return nil, looping
	}
	known := *env
	known.Rcpt, known.DSN = nil, nil
	refused := ""
	for i, r := range env.Rcpt {
		to, refusal := smtpd.Recipient(r, env.UTF8, s.h.o.Config.Recipient)
		if refusal != nil {
			refused = replyText(*refusal)
			continue
		}
		known.Rcpt = append(known.Rcpt, to)
		known.DSN = append(known.DSN, env.DSN[i])
	}
	if len(known.Rcpt) == 0 {
		return s.refused(env, raw, refused), nil
	}
	m, err := s.convert(ctx, &known, raw)
	if err != nil {
		return s.refused(env, raw, replyText(refusal(env.QueueID, err))), nil
	}
	m.Shadow = &spool.Shadow{}
	if refused != "" {
		m.Shadow.Refusal = "for some of the recipients, " + refused
	}
	return m, nil
}

// convert plans the message as it would have been. A panic costs the record only.
func (s *shadow) convert(ctx context.Context, env *smtpd.Envelope, raw []byte) (m *spool.Message, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			s.h.recordError(env.QueueID, "a message that was passed on could not be processed", err)
		}
	}()
	repaired := smtpd.RepairLineEndings(raw)
	if s.h.o.Config.BareLF == config.BareLFRefuse && !bytes.Equal(repaired, raw) {
		return nil, errBareLF
	}
	plan, err := s.h.plan(ctx, env, repaired)
	if err != nil {
		return nil, err
	}
	plan.Message.Files = nil // the next hop has them: nothing is stored, and the links lead to nothing
	return plan.Message, nil
}

// refused is the record of a message that would have been refused.
func (s *shadow) refused(env *smtpd.Envelope, raw []byte, reply string) *spool.Message {
	everyone := threading.Split(env.Rcpt, env.Rcpt, nil)[0]
	return &spool.Message{
		QueueID:  env.QueueID,
		Accepted: env.Received,
		Client:   client(env),
		Sender:   env.From,
		Route:    s.route.Name,
		Team:     s.route.Team,
		Inbox:    s.route.Inbox,
		Title:    readHeader(raw).Subject,
		Shadow:   &spool.Shadow{Refusal: reply},
		Requests: []spool.Request{{
			LocalID:      s.h.o.NewLocalID(),
			To:           everyone.To,
			Participants: everyone.Participants,
			Priority:     spool.Normal,
		}},
	}
}

// readHeader returns the header of a message that need not be one that can be planned, as far as it
// can be read.
func readHeader(raw []byte) (h mimeconv.Header) {
	defer func() { _ = recover() }() // convert records it
	h, _ = mimeconv.ReadHeader(smtpd.RepairLineEndings(raw))
	return h
}

// store stores what would have been sent. The next hop has the message: an error costs the
// record only. confirmed is for smtpd.Reply.
func (s *shadow) store(ctx context.Context, env *smtpd.Envelope, m *spool.Message) (confirmed func()) {
	receipt, err := s.h.o.Store.Accept(ctx, m)
	if errors.Is(err, spool.ErrConvo) || errors.Is(err, spool.ErrKey) { // a control header would have been refused
		reply := m.Shadow.Reply
		received := m.Raw
		m = s.refused(env, received, replyText(refusal(env.QueueID, err)))
		m.Shadow.Reply = reply
		m.Raw = received
		receipt, err = s.h.o.Store.Accept(ctx, m)
	}
	if err != nil {
		s.h.recordError(m.QueueID, "a message was passed on, but not recorded", err)
	}
	e := s.h.messageEvent(m)
	e.Kind = events.Shadowed
	e.Reason = m.Shadow.String()
	e.Code = "sent"
	if m.Shadow.Refusal != "" {
		e.Code = "refused"
	}
	if receipt.Duplicate {
		e.Reason += "; a repeat of " + receipt.QueueID
	}
	s.h.o.Sink.Record(e)
	if err != nil || !m.WeakFingerprint {
		return nil
	}
	return func() { s.h.confirmReply(ctx, receipt.QueueID) }
}

// replyText writes a reply as SMTP does.
func replyText(r smtpd.Reply) string { return fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text) }
