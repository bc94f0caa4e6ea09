package intake

import (
	"context"
	"fmt"
	"strings"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/smtpd"
)

// flowCheck is how often a client that waits is let go where its mail cannot be
// sent now.
const flowCheck = time.Second

// answer waits for what the API says of a stored message, for a route that wants
// that, and changes the reply accordingly: 554 where all of it failed for good, and
// then no report if the 554 could be written; else 250, with Heymarket's ids where
// it was sent.
func (h *Handler) answer(ctx context.Context, plan *Plan, queueID string, reply *smtpd.Reply) {
	all, err := h.settle(ctx, plan, queueID)
	if err != nil {
		h.o.Sink.Record(events.Event{
			Kind: events.Error, Time: h.o.Now(), QueueID: queueID, Err: err,
			Reason: "what became of the message could not be waited for, the client was told that it is queued",
		})
		return
	}
	var sent, failed []string
	for _, s := range all {
		switch s.State {
		case spool.Sent, spool.Flagged:
			sent = append(sent, fmt.Sprintf("message %d in conversation %d", s.MessageID, s.ConvoID))
		case spool.Failed:
			failed = append(failed, s.Reason)
		}
	}
	switch {
	case len(failed) == len(all):
		// RFC 3463, section 3.4: something of the destination system, which only the API knows.
		reply.Code, reply.Enhanced = 554, "5.3.0"
		reply.Text = "Heymarket refused it: " + strings.Join(strings.Fields(failed[0]), " ") + " (" + queueID + ")"
		reply.Written = func() { h.answered(ctx, queueID) }
	case len(sent) > 0:
		reply.Text += ", sent: " + strings.Join(sent, ", ")
	}
}

// settle waits until all of a message has ended, but not for longer than the plan
// allows, nor for what is held or behind an open breaker.
func (h *Handler) settle(ctx context.Context, plan *Plan, queueID string) ([]spool.RequestStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, plan.Answer)
	defer cancel()
	for {
		step, end := context.WithTimeout(ctx, flowCheck)
		all, err := h.o.Store.Wait(step, queueID)
		ended := step.Err() == nil
		end()
		if ended || err != nil || ctx.Err() != nil || !h.o.Flows(plan.Message.Team, plan.Message.Route) {
			return all, err
		}
	}
}

// answered keeps the store from reporting what the client was told.
func (h *Handler) answered(ctx context.Context, queueID string) {
	if err := h.o.Store.SuppressReports(context.WithoutCancel(ctx), queueID); err != nil {
		h.o.Sink.Record(events.Event{Kind: events.Error, Time: h.o.Now(), QueueID: queueID, Err: err, Reason: "the sender will get a report of what it was told in the reply already"})
	}
}
