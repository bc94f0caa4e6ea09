package intake

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
	"heyrelay/smtpd"
)

// holdCheck is how often a waiting client's route is checked for a hold.
const holdCheck = time.Second

// replyWithOutcome waits until the requests of a stored message have ended, for a
// route with answer_after: sent, and changes the reply accordingly: to 554 if all
// failed permanently, and then no report is sent if the 554 could be written; else
// it stays 250, with Heymarket's ids of what was sent, or the replies of the smarthost.
func (h *Handler) replyWithOutcome(ctx context.Context, plan *Plan, queueID string, reply *smtpd.Reply) {
	all, err := h.waitForOutcome(ctx, plan, queueID)
	if err != nil {
		h.recordError(queueID, "the outcome is unknown; the client got the reply that the message is queued", err)
		return
	}
	var sent, failed []string
	refused := "Heymarket refused the message: "
	if plan.Message.Smarthost {
		refused = "The smarthost refused the message: "
	}
	for _, s := range all {
		switch {
		case s.State == spool.Sent && plan.Message.Smarthost:
			sent = append(sent, oneLine(s.Reason))
		case s.State == spool.Sent || s.State == spool.Flagged:
			sent = append(sent, fmt.Sprintf("message %d in conversation %d", s.MessageID, s.ConvoID))
		case s.State == spool.Failed:
			failed = append(failed, s.Reason)
		}
	}
	switch {
	case len(failed) == len(all):
		// RFC 3463, section 3.4: a status of the destination system, which only the API knows.
		reply.Code = 554
		reply.Enhanced = "5.3.0"
		reply.Text = refused + oneLine(failed[0]) + " (" + queueID + ")"
		reply.Written = func() { h.suppressReports(ctx, queueID) }
	case len(sent) > 0:
		reply.Text += ", sent: " + strings.Join(sent, ", ")
	}
	isOpen := func(s spool.RequestStatus) bool { return s.State.Open() }
	if reply.Code == 250 && len(failed) > 0 && !slices.ContainsFunc(all, isOpen) {
		h.releaseReports(ctx, queueID)
	}
}

// waitForOutcome waits until all requests of a message have ended, but for no longer
// than plan.Timeout, and not while the route is on hold or the breaker open.
func (h *Handler) waitForOutcome(ctx context.Context, plan *Plan, queueID string) ([]spool.RequestStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, plan.Timeout)
	defer cancel()
	for {
		step, end := context.WithTimeout(ctx, holdCheck)
		all, err := h.o.Store.Wait(step, queueID)
		ended := step.Err() == nil
		end()
		if ended || err != nil || ctx.Err() != nil || !h.o.CanSend(plan.Message.RequestTeam(), plan.Message.Route) {
			return all, err
		}
	}
}

// suppressReports keeps the store from reporting a failure that the reply stated.
func (h *Handler) suppressReports(ctx context.Context, queueID string) {
	if err := h.o.Store.SuppressReports(context.WithoutCancel(ctx), queueID); err != nil {
		const reason = "reports were not suppressed: the sender also gets a report of the failure in the reply"
		h.recordError(queueID, reason, err)
	}
}

// releaseReports has the reports of what failed leave, where no reply to this message
// or to its repeats can be 554 any more.
func (h *Handler) releaseReports(ctx context.Context, queueID string) {
	if err := h.o.Store.ReleaseReports(context.WithoutCancel(ctx), h.o.Now(), queueID); err != nil {
		h.recordError(queueID, "reports could not be released, and leave later", err)
		return
	}
	h.o.KickReports()
}

// oneLine joins the words of a text that may have line breaks.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
