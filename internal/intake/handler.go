// Package intake decides what becomes of one message, stores it, and answers.
//
// The way of a message: smtpd hands Handle an envelope and raw bytes. plan.go
// reads the header, finds the route, makes audiences and converts the body; all
// of that is pure, but for the ids that it draws. One call of the store makes the
// message durable, finds its conversations and queues its requests; only then does
// Handle answer 250. What is wrong with a message is an error of the plan, and
// refuse.go is the one table from error to SMTP reply.
package intake

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"io"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// Store is what a Handler needs of a spool.Store.
type Store interface {
	Accept(context.Context, *spool.Message) (spool.Receipt, error)
	ConfirmReply(ctx context.Context, queueID string) error
	Wait(ctx context.Context, queueID string) ([]spool.RequestStatus, error)
	SuppressReports(ctx context.Context, queueID string) error
}

// Options are what a Handler is built on. All are needed.
type Options struct {
	Config     *config.Config
	Store      Store
	Sink       events.Sink
	Now        func() time.Time
	NewLocalID func() string
	Kick       func()                                      // called when requests were stored
	Flows      func(team, route string) bool               // whether requests of a route can be sent now
	Announce   func(context.Context, events.Event)         // records an event and stores the notice of it, where it makes one
	Targets    func(to, cc []string) (recipients []string) // recipients as events show them
}

// Handler implements smtpd.Handler.
type Handler struct {
	o       Options
	planner planner
}

// New makes a Handler.
func New(o Options) *Handler {
	return &Handler{o: o, planner: planner{cfg: o.Config, localID: o.NewLocalID}}
}

// Handle implements smtpd.Handler: it answers 250 only when the message is
// stored durably.
func (h *Handler) Handle(ctx context.Context, env *smtpd.Envelope, raw []byte) smtpd.Reply {
	plan, err := h.planner.plan(env, raw)
	if err != nil {
		return h.refusal(env, raw, err)
	}
	receipt, err := h.o.Store.Accept(ctx, plan.Message)
	if err != nil {
		return h.refusal(env, raw, err)
	}
	h.o.Kick()
	h.accepted(context.WithoutCancel(ctx), plan, receipt)
	reply := smtpd.Reply{Code: 250, Enhanced: "2.0.0", Text: "Ok: queued as " + receipt.QueueID}
	if plan.Answer > 0 && h.o.Flows(plan.Message.Team, plan.Message.Route) {
		h.answer(ctx, plan, receipt.QueueID, &reply)
	}
	if plan.Message.WeakFingerprint {
		reply.Confirmed = func() { h.heard(ctx, receipt.QueueID) }
	}
	return reply
}

// accepted tells of a message that is stored.
func (h *Handler) accepted(ctx context.Context, plan *Plan, r spool.Receipt) {
	m := plan.Message
	e := events.Event{
		Kind: events.Accepted, Time: h.o.Now(), QueueID: r.QueueID, Client: m.Client, Sender: m.Sender,
		Route: m.Route, Team: m.Team, Title: m.Title, Size: len(m.Raw),
	}
	for _, q := range m.Requests {
		e.To = append(e.To, h.o.Targets(q.To, q.Cc)...)
	}
	if r.Duplicate {
		e.Kind = events.Duplicate
		h.o.Sink.Record(e)
		return
	}
	h.o.Sink.Record(e)
	if r.SameID {
		h.o.Sink.Record(events.Event{
			Kind: events.Anomaly, Time: e.Time, QueueID: r.QueueID, Reason: "its Message-ID was used before, by a message with other content",
		})
	}
	if r.Looping {
		e.Kind, e.Reason = events.Held, spool.LoopReason
		h.o.Announce(ctx, e)
	}
	for _, w := range plan.Warned {
		if w.Code == mimeconv.FromReplaced {
			continue // true of every message; it stands with the message
		}
		h.o.Sink.Record(events.Event{Kind: events.Warned, Time: e.Time, QueueID: r.QueueID, Reason: w.Code + ": " + w.Detail})
	}
}

// refusal tells of a message that is refused, and what the client is told.
func (h *Handler) refusal(env *smtpd.Envelope, raw []byte, cause error) smtpd.Reply {
	reply := refuse(env.QueueID, cause)
	h.o.Sink.Record(events.Event{
		Kind: events.Refused, Time: h.o.Now(), QueueID: env.QueueID, Client: client(env), Sender: env.From, To: env.Rcpt,
		Size: len(raw), Status: reply.Code, Reason: reply.Text, Err: cause,
	})
	return reply
}

// Refused tells of what smtpd refused before there was a message.
func (h *Handler) Refused(e smtpd.Event) {
	kind := events.Refused
	if e.Code == 0 || e.Err != nil {
		kind = events.Error
	}
	h.o.Sink.Record(events.Event{
		Kind: kind, Time: h.o.Now(), QueueID: e.QueueID, Client: clientName(e.Client), Status: e.Code, Reason: e.Listener + ": " + e.Reason, Err: e.Err,
	})
}

// heard is called when the client surely got its 250.
func (h *Handler) heard(ctx context.Context, queueID string) {
	if err := h.o.Store.ConfirmReply(ctx, queueID); err != nil {
		h.o.Sink.Record(events.Event{
			Kind: events.Error, Time: h.o.Now(), QueueID: queueID, Err: err,
			Reason: "an equal message within ten minutes will be taken for a repeat of this one",
		})
	}
}

// QueueID is 16 letters and digits that sort by time: 48 bits of milliseconds,
// 32 of chance.
func QueueID(now time.Time, random io.Reader) string {
	var b [10]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		panic("no randomness for ids: " + err.Error()) // crypto/rand never fails
	}
	return base32.HexEncoding.EncodeToString(b[:])
}
