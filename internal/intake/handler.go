// Package intake decides what becomes of one message, stores it, and answers the
// client.
//
// smtpd calls Handler.Handle with an envelope and raw bytes. The planner (plan.go)
// reads the header, finds the route, splits the recipients into audiences and
// converts the body; it is pure, except for the ids it draws. Files that the body links
// are stored (files.go). One call of the spool makes the message durable, finds its
// conversations and queues its requests; only then does Handle answer 250. A message
// that cannot be accepted is an error of the planner; refuse.go maps errors to SMTP
// replies.
package intake

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"io"
	"runtime"
	"strings"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// Store is the part of spool.Store that a Handler uses.
type Store interface {
	Accept(context.Context, *spool.Message) (spool.Receipt, error)
	ConfirmReply(ctx context.Context, queueID string) error
	Wait(ctx context.Context, queueID string) ([]spool.RequestStatus, error)
	SuppressReports(ctx context.Context, queueID string) error
	ReleaseReports(ctx context.Context, now time.Time, queueID string) error
}

// Options configure a Handler, which serves one configuration. All but Files are required.
type Options struct {
	Config     *config.Config
	Store      Store
	Sink       events.Sink
	Now        func() time.Time
	NewLocalID func() string

	// Kick is called after requests were stored.
	Kick func()
	// KickReports is called after reports were released.
	KickReports func()
	// CanSend reports whether requests of a route can be sent now: neither it nor
	// its team is on hold, and the team's breaker is closed.
	CanSend func(team, route string) bool
	// Publish records an event and stores its notice, if the webhook wants it.
	Publish func(context.Context, events.Event)
	// Targets returns recipients in the form that events show.
	Targets func(to, cc []string) []string
	// Next are the mail servers to which routes with a shadow pass their mail on, by route.
	Next map[string]*smarthost.Server
	// Turns limit how many messages are planned at a time, in all Handlers that share them.
	Turns Turns

	// Files is where files are stored and how they are linked; nil if there is no such place.
	Files *Files
}

// Turns limit how many messages are planned at a time: planning is pure computation, and more
// than there are processors would be no faster, but hold the memory of all of them.
type Turns chan struct{}

// NewTurns returns as many turns as this process needs.
func NewTurns() Turns { return make(Turns, max(2, runtime.GOMAXPROCS(0))) }

// Handler implements smtpd.Handler.
type Handler struct {
	o       Options
	planner planner
}

// New returns a Handler.
func New(o Options) *Handler {
	return &Handler{
		o:       o,
		planner: newPlanner(o.Config, o.NewLocalID, o.Files),
	}
}

// plan plans a message when its turn comes.
func (h *Handler) plan(ctx context.Context, env *smtpd.Envelope, raw []byte) (*Plan, error) {
	select {
	case h.o.Turns <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.o.Turns }()
	return h.planner.plan(env, raw)
}

// Handle implements smtpd.Handler. It answers 250 only after the message was stored
// durably.
func (h *Handler) Handle(ctx context.Context, env *smtpd.Envelope, raw []byte) smtpd.Reply {
	watch := events.NewStopwatch(h.o.Now)
	plan, err := h.plan(ctx, env, raw)
	steps := watch.Lap("convert")
	if err != nil {
		return h.refuse(env, raw, err, steps...)
	}
	if len(plan.files) > 0 {
		err = h.store(ctx, plan.files)
		steps = watch.Lap("store")
		if err != nil {
			return h.refuse(env, raw, err, steps...)
		}
	}
	receipt, err := h.o.Store.Accept(ctx, plan.Message)
	steps = watch.Lap("commit")
	if err != nil {
		h.notAccepted(plan, err)
		return h.refuse(env, raw, err, steps...)
	}
	for _, key := range receipt.Unused {
		h.o.Files.Discards.add(h.o.Files.Blobs, key)
	}
	h.o.Kick()
	h.recordAccepted(context.WithoutCancel(ctx), plan, receipt, steps)
	reply := smtpd.Reply{Code: 250, Enhanced: "2.0.0", Text: "Ok: queued as " + receipt.QueueID}
	if plan.Timeout > 0 && h.o.CanSend(plan.Message.RequestTeam(), plan.Message.Route) {
		h.replyWithOutcome(ctx, plan, receipt.QueueID, &reply)
	}
	if plan.Message.WeakFingerprint {
		reply.Confirmed = func() { h.confirmReply(context.WithoutCancel(ctx), receipt.QueueID) }
	}
	return reply
}

// recordAccepted records that a message was stored, and what is remarkable about it.
func (h *Handler) recordAccepted(ctx context.Context, plan *Plan, r spool.Receipt, steps []events.Step) {
	e := h.acceptedEvent(plan.Message, r)
	e.Steps = steps
	h.o.Sink.Record(e)
	if r.Duplicate {
		return
	}
	if r.SameID {
		const reason = "Message-ID already used by a message with different content"
		h.o.Sink.Record(events.Event{Kind: events.Anomaly, Time: e.Time, QueueID: r.QueueID, Reason: reason})
	}
	if r.Looping {
		held := e
		held.Kind = events.Held
		held.Steps = nil
		held.Reason = spool.LoopReason
		h.o.Publish(ctx, held)
	}
	for _, w := range plan.Warnings {
		if w.Code == mimeconv.FromReplaced {
			continue // applies to every message; stored with it, but not worth a log line
		}
		h.o.Sink.Record(events.Event{
			Kind:    events.Warned,
			Time:    e.Time,
			QueueID: r.QueueID,
			Code:    w.Code,
			Reason:  w.Detail,
		})
	}
}

func (h *Handler) acceptedEvent(m *spool.Message, r spool.Receipt) events.Event {
	e := h.messageEvent(m)
	e.Kind = events.Accepted
	e.QueueID = r.QueueID
	if r.Duplicate {
		e.Kind = events.Duplicate
	}
	return e
}

// messageEvent is an event about a message, whose kind is to be set.
func (h *Handler) messageEvent(m *spool.Message) events.Event {
	e := events.Event{
		Time:    h.o.Now(),
		QueueID: m.QueueID,
		Client:  m.Client,
		Sender:  m.Sender,
		Route:   m.Route,
		Team:    m.Team,
		Title:   m.Title,
		Size:    len(m.Raw),
	}
	for _, q := range m.Requests {
		e.To = append(e.To, h.o.Targets(q.To, q.Cc)...)
	}
	return e
}

// refuse records that a message is refused, and returns the reply.
func (h *Handler) refuse(env *smtpd.Envelope, raw []byte, cause error, steps ...events.Step) smtpd.Reply {
	reply := refusal(env.QueueID, cause)
	h.recordRefused(env, raw, reply, cause, steps...)
	return reply
}

// recordRefused records that a message is refused with a reply.
func (h *Handler) recordRefused(
	env *smtpd.Envelope, raw []byte, reply smtpd.Reply, cause error, steps ...events.Step,
) {
	reason := reply.Text
	if reply.Lines != nil {
		reason = smarthost.OneLine(strings.Join(reply.Lines, " ")) + " (the next hop's reply)"
	}
	h.o.Sink.Record(events.Event{
		Kind:     events.Refused,
		Time:     h.o.Now(),
		QueueID:  env.QueueID,
		Client:   client(env),
		Sender:   env.From,
		To:       env.Rcpt,
		Size:     len(raw),
		Status:   reply.Code,
		Enhanced: reply.Enhanced,
		Reason:   reason,
		Err:      cause,
		Steps:    steps,
	})
}

// RecordSession records an event of the SMTP server: a refusal before there was a
// message, an error, or a detail.
func (h *Handler) RecordSession(e smtpd.Event) {
	kind := events.Refused
	switch {
	case e.Debug:
		kind = events.Detail
	case e.Lost:
		kind = events.Lost
	case e.Closed: // the client's fault
	case e.Code == 0 || e.Err != nil:
		kind = events.Error
	}
	var to []string
	if e.To != "" {
		to = append(to, e.To)
	}
	h.o.Sink.Record(events.Event{
		Kind:     kind,
		Time:     h.o.Now(),
		QueueID:  e.QueueID,
		Client:   clientName(e.Client),
		Sender:   e.From,
		To:       to,
		Status:   e.Code,
		Enhanced: e.Enhanced,
		Reason:   e.Listener + ": " + e.Reason,
		Err:      e.Err,
	})
}

// confirmReply is called when the 250 has reached the client.
func (h *Handler) confirmReply(ctx context.Context, queueID string) {
	if err := h.o.Store.ConfirmReply(ctx, queueID); err != nil {
		const reason = "it was not stored that the client received its 250: an identical message within 10 minutes " +
			"counts as a duplicate"
		h.recordError(queueID, reason, err)
	}
}

func (h *Handler) recordError(queueID, reason string, err error) {
	h.o.Sink.Record(events.Event{Kind: events.Error, Time: h.o.Now(), QueueID: queueID, Reason: reason, Err: err})
}

// QueueID returns 16 letters and digits that sort by time: 48 bits of milliseconds,
// 32 random bits.
func QueueID(now time.Time, random io.Reader) string {
	var b [10]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		panic("no randomness for ids: " + err.Error()) // crypto/rand never fails
	}
	return base32.HexEncoding.EncodeToString(b[:])
}
