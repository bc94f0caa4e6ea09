package intake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
	"heyrelay/threading"
)

// maxReceived is how many hops a message may have made before it is taken to go
// round in circles (RFC 5321, section 6.3).
const maxReceived = 50

// Plan is what a message would become: what is stored, and why.
type Plan struct {
	Message *spool.Message
	Lookups [][]threading.Lookup // for each request, the keys under which its conversation is looked up
	Blind   []bool               // for each request, whether no header names its recipient
	Urgency string               // what decided the priority of all requests
	Told    told                 // what its application said and is obeyed
	Warned  []mimeconv.Warning
	Answer  time.Duration // how long the client's answer waits for the API's; 0: not at all
}

// planner makes plans. It is pure but for the ids that it draws.
type planner struct {
	cfg     *config.Config
	localID func() string
}

// plan reads a message and decides everything about it that can be decided
// without the spool. Its errors are refusals.
func (p planner) plan(env *smtpd.Envelope, raw []byte) (*Plan, error) {
	h, err := mimeconv.ReadHeader(raw)
	if err != nil {
		return nil, err
	}
	if err := p.loops(h); err != nil {
		return nil, err
	}
	route, err := p.route(env, h)
	if err != nil {
		return nil, err
	}
	t, err := obey(route, h)
	if err != nil {
		return nil, err
	}
	team := p.cfg.Teams[route.Team]
	audiences, rcpt, err := p.audiences(route, team, env, h)
	if err != nil {
		return nil, err
	}
	if t.convoID != 0 && audiences[0].Blind {
		return nil, fmt.Errorf("%w: %sConvo-Id is for the recipients in To and Cc, which name none", errControl, control)
	}
	body, err := mimeconv.Convert(raw, mimeconv.Options{
		Attachments:  mimeconv.Policy(route.Attachments),
		InlineImages: mimeconv.Policy(route.InlineImages),
		Title:        t.title,
	})
	if err != nil {
		return nil, err
	}
	if n := len(body.HTML) + len(body.Text); int64(n) > int64(team.MaxBody) {
		return nil, fmt.Errorf("%w: text and raw_text have %d bytes, teams.%s.max_body allows %d", errTooLarge, n, route.Team, team.MaxBody)
	}
	m := &spool.Message{
		QueueID: env.QueueID, Accepted: env.Received, Client: client(env), Sender: env.From,
		Route: route.Name, Team: route.Team, Inbox: route.Inbox,
		Title: body.Title, BaseSubject: threading.BaseSubject(cmp.Or(t.title, h.Subject)),
		HTML: body.HTML, SubjectOffset: body.Start, Text: body.Text, Raw: slices.Concat(env.Trace(p.cfg.Hostname), raw),
		Warnings: encode(body.Warnings), AutoReplied: h.AutoReplied, EnvelopeID: env.EnvelopeID, Return: env.Return,
	}
	plan := &Plan{Message: m, Warned: body.Warnings}
	if route.AnswerAfter == config.AnswerSent {
		plan.Answer = route.AnswerTimeout.Std()
		m.ReportsAfter = env.Received.Add(plan.Answer + p.cfg.Limits.Reply.Std())
	}
	p.requests(plan, route, h, t, audiences)
	asked(plan, route, env)
	m.DuplicateSince, m.WeakFingerprint = window(env.Received, h, t.key != "", p.cfg.Delivery.Dedupe.Std())
	if m.Fingerprint = fingerprint(scope(route), env.From, rcpt, raw); t.key != "" {
		m.Fingerprint, m.ContentDigest = keyed(scope(route), t.key), digest(m)
	}
	return plan, nil
}

// loops is the error of a message that goes round in circles: it has come here
// before, or has come a long way. Another relay of this software is no circle.
func (p planner) loops(h mimeconv.Header) error {
	if n := len(h.Received); n > maxReceived {
		return fmt.Errorf("%w: %d Received fields", errLoop, n)
	}
	for _, r := range h.Received {
		if smtpd.Traced(r, p.cfg.Hostname) {
			return fmt.Errorf("%w: a Received field says that %s had it already", errLoop, p.cfg.Hostname)
		}
	}
	return nil
}

// audiences says who gets the message, and who with whom.
func (p planner) audiences(route config.Route, team config.Team, env *smtpd.Envelope, h mimeconv.Header) ([]threading.Audience, []string, error) {
	rcpt, to, cc := env.Rcpt, addrs(h.To), addrs(h.Cc)
	if route.Recipients == config.RecipientsHeaders {
		rcpt = fromHeaders(env.Rcpt, route.RelayMailbox, to, cc, addrs(h.Bcc))
		if len(rcpt) == 0 {
			return nil, nil, fmt.Errorf("%w: To, Cc and Bcc name nobody, and the envelope only %s", errNobody, route.RelayMailbox)
		}
		for _, r := range rcpt {
			if err := smtpd.CheckAddress(r, true); err != nil {
				return nil, nil, fmt.Errorf("%w: %q: %w", errNobody, r, err)
			}
		}
	}
	for _, block := range h.Resent { // newest first (RFC 5322, section 3.6.6)
		if rto, rcc := addrs(block.To), addrs(block.Cc); threading.Intersects(rcpt, append(rto, rcc...)) {
			to, cc = rto, rcc
			break
		}
	}
	rcpt = threading.Without(rcpt, route.OwnAddresses.Match)
	for _, r := range rcpt {
		if len(route.OnlyRecipients) > 0 && !route.OnlyRecipients.Match(r) {
			return nil, nil, fmt.Errorf("%w: %s is none of only_recipients of route %s", errRecipient, r, route.Name)
		}
	}
	all := threading.Split(rcpt, to, cc)
	for _, a := range all {
		if a.Blind && route.BCC == config.BCCReject {
			return nil, nil, fmt.Errorf("%w: %s stands in no To or Cc, and route %s has bcc: reject", errBlind, a.To[0], route.Name)
		}
		if n := len(a.To) + len(a.Cc); n > team.MaxTargets {
			return nil, nil, fmt.Errorf("%w: %d in To and Cc, teams.%s.max_targets allows %d", errTooMany, n, route.Team, team.MaxTargets)
		}
	}
	return all, rcpt, nil
}

// requests adds one request for each audience.
func (p planner) requests(plan *Plan, route config.Route, h mimeconv.Header, t told, audiences []threading.Audience) {
	headers := threading.ThreadHeaders{Own: h.Own, InReplyTo: h.InReplyTo, References: h.References}
	if by := route.ThreadBySubject; by.Regexp != nil {
		if m := by.FindStringSubmatch(h.Subject); m != nil {
			headers.Subject = m[1]
		}
	}
	var priority spool.Priority
	priority, plan.Urgency = urgency(route, h, t)
	plan.Told = t
	for _, a := range audiences {
		lookups, own, cited := headers.Keys(scope(route), a)
		var convoID int64
		if !a.Blind {
			convoID = t.convoID
		}
		if route.Join == config.JoinNever || t.anew || convoID != 0 {
			lookups = nil
		}
		plan.Lookups = append(plan.Lookups, lookups)
		plan.Blind = append(plan.Blind, a.Blind)
		r := spool.Request{
			LocalID: p.localID(), To: a.To, Cc: a.Cc, Participants: a.Participants,
			Priority: priority, Subject: subjectLines[route.ReplySubject],
			ConvoID: convoID, Own: keys(own), Cited: keys(cited),
		}
		for _, l := range lookups {
			r.Lookup = append(r.Lookup, spool.Key(l.Key))
			r.LookupNames = append(r.LookupNames, l.Field+": "+l.ID)
		}
		if convoID != 0 {
			r.LookupNames = []string{fmt.Sprintf("X-Heymarket-Convo-Id: %d", convoID)}
		}
		plan.Message.Requests = append(plan.Message.Requests, r)
	}
}

// asked says of each request what the client asked to be told about its recipients.
// One that only a header names is asked about as the relay mailbox is (RFC 3461,
// section 5.2.7.3, of aliases).
func asked(plan *Plan, route config.Route, env *smtpd.Envelope) {
	wishes, some := map[string]spool.DSN{}, false
	for i, d := range env.DSN {
		wishes[threading.Canonical(env.Rcpt[i])] = spool.DSN(d)
		some = some || d.Notify != nil || d.Original != ""
	}
	if !some {
		return
	}
	for i := range plan.Message.Requests {
		r := &plan.Message.Requests[i]
		for _, a := range slices.Concat(r.To, r.Cc) {
			d, named := wishes[threading.Canonical(a)]
			if !named {
				d.Notify = wishes[threading.Canonical(route.RelayMailbox)].Notify
			}
			r.DSN = append(r.DSN, d)
		}
	}
}

var priorities = map[string]spool.Priority{
	config.PriorityHigh: spool.High, config.PriorityNormal: spool.Normal, config.PriorityBulk: spool.Bulk,
}

var subjectLines = map[string]spool.SubjectLine{
	config.SubjectChanged: spool.SubjectChanged, config.SubjectAlways: spool.SubjectAlways, config.SubjectNever: spool.SubjectNever,
}

// scope is the space within which ids are known: threads never cross inboxes.
func scope(r config.Route) string { return fmt.Sprintf("%s/%d", r.Team, r.Inbox) }

// fromHeaders is who gets a message whose envelope holds one relay mailbox: all
// that the header names, and whoever else stands in the envelope.
func fromHeaders(envelope []string, mailbox string, lists ...[]string) []string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	for _, r := range envelope {
		if threading.Canonical(r) != threading.Canonical(mailbox) {
			all = append(all, r)
		}
	}
	return all
}

// window says since when an equal message is the application's own retry, and
// whether only if the client broke off. A Message-ID with a plausible Date tells
// messages apart for days, and so does a key of the application; some devices send
// a constant Message-ID and a dead clock; without a Message-ID two equal alarms in
// a row are two.
func window(now time.Time, h mimeconv.Header, keyed bool, longest time.Duration) (since time.Time, weak bool) {
	const short, plausible = 10 * time.Minute, 7 * 24 * time.Hour
	if longest == 0 {
		return time.Time{}, false
	}
	if keyed || h.HasMessageID && !h.Date.IsZero() && now.Sub(h.Date).Abs() <= plausible {
		return now.Add(-longest), false
	}
	return now.Add(-min(short, longest)), !h.HasMessageID
}

// client is who handed the message over, for people.
func client(env *smtpd.Envelope) string {
	if env.User != "" {
		return env.User
	}
	return clientName(env.Client)
}

func clientName(a netip.Addr) string {
	if !a.IsValid() {
		return "unix"
	}
	return a.String()
}

func addrs(list []mimeconv.Address) []string {
	var all []string
	for _, a := range list {
		all = append(all, strings.TrimSpace(a.Addr))
	}
	return all
}

func keys(in []threading.Key) []spool.Key {
	var out []spool.Key
	for _, k := range in {
		out = append(out, spool.Key(k))
	}
	return out
}

func encode(w []mimeconv.Warning) []byte {
	if len(w) == 0 {
		return nil
	}
	text, _ := json.Marshal(w) // strings only: it cannot fail
	return text
}
