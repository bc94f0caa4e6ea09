package intake

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/mimeconv/linkblock"
	"heyrelay/smtpd"
	"heyrelay/threading"
)

// maxReceived is how many hops a message may have made before it counts as looping
// (RFC 5321, section 6.3).
const maxReceived = 50

// maxIDs is about how many message ids all requests of one message look up and record
// together. Each costs two statements of the spool's only writer, which all other
// clients wait for.
const maxIDs = 1000

// Plan is what a message would become: what is stored, and why.
type Plan struct {
	Message        *spool.Message
	Lookups        [][]threading.Lookup // of each request: where its conversation is looked up, best first
	Blind          []bool               // of each request: whether its recipient is in neither To nor Cc
	PriorityReason string               // what decided the priority of all requests
	Warnings       []mimeconv.Warning
	Timeout        time.Duration // how long the reply waits for the outcome; 0: it does not

	control controlHeaders
	files   []newFile // of Message.Files, to be stored
}

// planner makes plans. It is pure, except for the ids it draws.
type planner struct {
	cfg        *config.Config
	newLocalID func() string
	store      *Files                      // nil if nothing can be linked
	blocks     map[string]*linkblock.Block // by route
}

// newPlanner returns the planner of a configuration.
func newPlanner(cfg *config.Config, newLocalID func() string, store *Files) planner {
	p := planner{cfg: cfg, newLocalID: newLocalID, store: store, blocks: map[string]*linkblock.Block{}}
	for _, r := range cfg.Routes {
		block, err := r.LinkBlock.Parsed()
		if err != nil {
			panic("a configuration that was not checked: " + err.Error())
		}
		p.blocks[r.Name] = block
	}
	return p
}

// submission is a message, and the rules that apply to it.
type submission struct {
	env     *smtpd.Envelope
	header  *mimeconv.Header
	route   *config.Route
	team    config.Team
	control controlHeaders
	most    int                                         // recipients that a header may name
	alias   func(recipient string) (to string, ok bool) // see config.Config.Recipient
}

// plan reads a message and decides everything that does not depend on the spool. Its
// errors are refusals.
func (p planner) plan(env *smtpd.Envelope, raw []byte) (*Plan, error) {
	s, err := p.read(env, raw)
	if err != nil {
		return nil, err
	}
	audiences, rcpt, err := s.audiences()
	if err != nil {
		return nil, err
	}
	l := &linker{
		Files:   p.store,
		refuse:  p.cfg.Blobs.Refuse,
		expires: env.Received.Add(p.cfg.Blobs.Expire.Std()),
	}
	options := s.conversion()
	p.linkFiles(&options, s.route, l)
	body, bySmarthost, err := s.convert(raw, options)
	if err == nil && !bySmarthost { // a smarthost has no such limit
		err = s.checkTargets(audiences)
	}
	if err != nil {
		return nil, err
	}
	if s.route.TrustHeaders {
		body.Warnings = append(body.Warnings, unknownControl(s.header)...)
	}
	plan := &Plan{Message: p.message(s, body, raw), Warnings: body.Warnings, control: s.control, files: l.files}
	l.addTo(plan.Message)
	plan.Message.Smarthost = bySmarthost
	if bySmarthost && smtpd.EndsEarly(plan.Message.Raw) {
		return nil, errEndsEarly
	}
	if s.route.AnswerAfter == config.AnswerSent {
		plan.Timeout = s.route.AnswerTimeout.Std()
		plan.Message.ReportsAfter = env.Received.Add(plan.Timeout + p.cfg.Limits.Reply.Std())
	}
	p.addRequests(plan, s, audiences)
	addDSN(plan.Message.Requests, s)
	p.identify(plan.Message, s, rcpt, raw)
	if s.control.key != "" && (len(l.files) > 0 || bySmarthost) {
		err = s.digestFiles(plan.Message, raw, l)
	}
	return plan, err
}

// read reads the header and finds what applies to the message.
func (p planner) read(env *smtpd.Envelope, raw []byte) (*submission, error) {
	h, err := mimeconv.ReadHeader(raw)
	if err != nil {
		return nil, err
	}
	if err := p.checkLoop(&h); err != nil {
		return nil, err
	}
	route, err := p.route(env, &h)
	if err != nil {
		return nil, err
	}
	control, err := parseControl(route, &h)
	if err != nil {
		return nil, err
	}
	return &submission{
		env:     env,
		header:  &h,
		route:   route,
		team:    p.cfg.Teams[route.Team],
		control: control,
		most:    p.cfg.Limits.Recipients,
		alias:   p.cfg.Recipient,
	}, nil
}

// checkLoop returns an error for a message that was here before or has made too many
// hops. Received fields of another heyrelay are no loop.
func (p planner) checkLoop(h *mimeconv.Header) error {
	if n := len(h.Received); n > maxReceived {
		return fmt.Errorf("%w: %d Received fields", errLoop, n)
	}
	for _, r := range h.Received {
		if smtpd.Traced(r, p.cfg.Hostname) {
			return fmt.Errorf("%w: %s has received this message before", errLoop, p.cfg.Hostname)
		}
	}
	return nil
}

// conversion returns how the message is converted, save for links.
func (s *submission) conversion() mimeconv.Options {
	return mimeconv.Options{
		Header:       s.header,
		Attachments:  mimeconv.Policy(s.route.Attachments),
		InlineImages: mimeconv.Policy(s.route.InlineImages),
		Title:        s.control.title,
		MaxBody:      int(s.team.MaxBody),
		Reserve:      s.env.Reserve,

		LinkCalendars: slices.Contains(s.route.LinkAlso, config.LinkCalendar),
		LinkMessages:  slices.Contains(s.route.LinkAlso, config.LinkMessage),
	}
}

// convert makes the bodies that go to the API. bySmarthost reports that the message leaves as it
// came instead, because of its attachments: then the bodies only show what it says.
func (s *submission) convert(raw []byte, o mimeconv.Options) (body mimeconv.Message, bySmarthost bool, err error) {
	if s.route.Attachments != config.AttachmentsSmarthost {
		body, err = s.limited(raw, o)
		return body, false, err
	}
	o.Attachments = mimeconv.Reject
	o.MaxBody = 0 // a smarthost has no such limit
	body, err = s.limited(raw, o)
	var failed *mimeconv.Error
	if !errors.As(err, &failed) || failed.Kind != mimeconv.ErrAttachment {
		return body, false, err
	}
	o.Attachments = mimeconv.Name
	o.InlineImages = mimeconv.Drop
	body, err = mimeconv.Convert(raw, o)
	body.Warnings = nil // nothing is lost on the way
	return body, true, err
}

// limited makes the bodies that go to the API.
func (s *submission) limited(raw []byte, o mimeconv.Options) (mimeconv.Message, error) {
	body, err := mimeconv.Convert(raw, o)
	var failed *mimeconv.Error
	if errors.As(err, &failed) && failed.Kind == mimeconv.ErrTooLarge {
		return body, fmt.Errorf("%w: %w (teams.%s.max_body)", errTooLarge, err, s.route.Team)
	}
	if err != nil {
		return body, err
	}
	size, limit := int64(len(body.HTML)+len(body.Text)), int64(s.team.MaxBody)
	if size > limit {
		return body, fmt.Errorf("%w: text and raw_text have %d bytes; the limit is %d (teams.%s.max_body)",
			errTooLarge, size, limit, s.route.Team)
	}
	return body, nil
}

// message returns what is stored of a message, without its requests.
func (p planner) message(s *submission, body mimeconv.Message, raw []byte) *spool.Message {
	return &spool.Message{
		QueueID:       s.env.QueueID,
		MessageIDs:    s.header.Own,
		Accepted:      s.env.Received,
		Client:        client(s.env),
		Sender:        s.env.From,
		Route:         s.route.Name,
		Team:          s.route.Team,
		Inbox:         s.route.Inbox,
		Title:         body.Title,
		BaseSubject:   threading.BaseSubject(cmp.Or(s.control.title, s.header.Subject)),
		HTML:          body.HTML,
		SubjectOffset: body.Start,
		Text:          body.Text,
		Raw:           s.env.WithTrace(p.cfg.Hostname, raw),
		Warnings:      encodeWarnings(body.Warnings),
		AutoReplied:   s.header.AutoReplied,
		EnvelopeID:    s.env.EnvelopeID,
		Return:        s.env.Return,
	}
}

// addRequests adds one request for each audience, or for each recipient where the message leaves
// by a smarthost: each has an outcome of its own there.
func (p planner) addRequests(plan *Plan, s *submission, audiences []threading.Audience) {
	headers := s.threadHeaders().Trim(maxIDs / len(audiences))
	urgency, reason := priority(s.route, s.header, s.control)
	plan.PriorityReason = reason
	var names []string // the ids are the same for every audience
	for _, a := range audiences {
		lookups, own, cited := headers.Keys(scope(s.route), a)
		if names == nil {
			names = lookupNames(lookups)
		}
		r := spool.Request{
			LocalID:      p.newLocalID(),
			To:           a.To,
			Cc:           a.Cc,
			Participants: a.Participants,
			Priority:     urgency,
			Subject:      subjectLines[s.route.ReplySubject],
			Own:          keys(own),
			Cited:        keys(cited),
		}
		if !a.Blind {
			r.ConvoID = s.control.convoID
		}
		if s.route.Join == config.JoinNever || s.control.newConversation || r.ConvoID != 0 {
			lookups = nil
		}
		for _, l := range lookups {
			r.Lookup = append(r.Lookup, spool.Key(l.Key))
		}
		r.LookupNames = names[:len(lookups)]
		if r.ConvoID != 0 {
			r.LookupNames = []string{fmt.Sprintf("%sConvo-Id: %d", controlPrefix, r.ConvoID)}
		}
		requests := []spool.Request{r}
		if plan.Message.Smarthost {
			requests = p.split(r)
		}
		for _, each := range requests {
			plan.Lookups = append(plan.Lookups, lookups)
			plan.Blind = append(plan.Blind, a.Blind)
			plan.Message.Requests = append(plan.Message.Requests, each)
		}
	}
}

// split returns a request like r for each of its recipients.
func (p planner) split(r spool.Request) (all []spool.Request) {
	one := r
	for _, address := range r.To {
		one.LocalID = p.newLocalID()
		one.To, one.Cc = []string{address}, nil
		all = append(all, one)
	}
	for _, address := range r.Cc {
		one.LocalID = p.newLocalID()
		one.To, one.Cc = nil, []string{address}
		all = append(all, one)
	}
	return all
}

// lookupNames returns which header field named which id, for people.
func lookupNames(lookups []threading.Lookup) []string {
	names := make([]string, 0, len(lookups))
	for _, l := range lookups {
		names = append(names, l.Field+": "+l.ID)
	}
	return names
}

// threadHeaders returns the ids by which the message takes part in threading.
func (s *submission) threadHeaders() threading.ThreadHeaders {
	t := threading.ThreadHeaders{Own: s.header.Own, InReplyTo: s.header.InReplyTo, References: s.header.References}
	by := s.route.ThreadBySubject.Regexp
	if by == nil {
		return t
	}
	if m := by.FindStringSubmatch(s.header.Subject); m != nil {
		t.Subject = m[1]
	}
	return t
}

var priorities = map[string]spool.Priority{
	config.PriorityHigh:   spool.High,
	config.PriorityNormal: spool.Normal,
	config.PriorityBulk:   spool.Bulk,
}

var subjectLines = map[string]spool.SubjectLine{
	config.SubjectChanged: spool.SubjectChanged,
	config.SubjectAlways:  spool.SubjectAlways,
	config.SubjectNever:   spool.SubjectNever,
}

// scope is the space in which message ids are known: threads never cross inboxes.
func scope(r *config.Route) string { return fmt.Sprintf("%s/%d", r.Team, r.Inbox) }

// client names who submitted the message: the user, or the address.
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

func keys(in []threading.Key) []spool.Key {
	var out []spool.Key
	for _, k := range in {
		out = append(out, spool.Key(k))
	}
	return out
}

func encodeWarnings(w []mimeconv.Warning) []byte {
	if len(w) == 0 {
		return nil
	}
	text, _ := json.Marshal(w) // strings only: it cannot fail
	return text
}
