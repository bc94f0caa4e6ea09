package sandbox

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// email is the body of POST /v1/email/send.
type email struct {
	creator, inbox, convo int64
	localID, title        string
	to, cc                []string // addresses
	body                  []byte   // as received
}

// recipients returns the addresses in the targets of an opener.
func (e email) recipients() []string { return slices.Concat(e.to, e.cc) }

// send handles POST /v1/email/send. What can be seen in the request alone is
// checked first; then comes the local_id, so that a repeat gets its first response
// even if its conversation is gone meanwhile.
func (s *Sandbox) send(t *team, c call) reply {
	e, err := s.readEmail(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.stats.Invalid++
		return errorReply(http.StatusBadRequest, err.Error())
	}
	first := s.recall(t, e.localID)
	if first == nil {
		if status, err := s.permit(t, e); err != nil {
			s.stats.Invalid++
			return errorReply(status, err.Error())
		}
		if slices.ContainsFunc(s.participants(e), s.o.OptedOut) {
			return errorReply(http.StatusForbidden, "the contact has opted out")
		}
	}
	fault := c.fault
	if fault == "" {
		fault = s.trigger(s.participants(e), e.localID, ofSends)
	}
	return s.perform(fault, func() reply {
		if first != nil {
			return s.repeat(first, e, fault)
		}
		return s.accepted(s.accept(t, e, fault), fault)
	})
}

// readEmail decodes a send and checks what can be seen in the request alone.
func (s *Sandbox) readEmail(c call) (email, error) {
	f := readForm(c)
	for _, name := range []string{"creator_id", "inbox", "text"} {
		f.need(name)
	}
	e := email{
		creator: f.id("creator_id"),
		inbox:   f.id("inbox"),
		convo:   f.id("convo_id"),
		body:    c.Body,
	}
	if text, _ := f.text("text"); strings.TrimSpace(text) == "" {
		f.fail("text", "is empty")
	}
	f.text("raw_text")
	e.localID = f.line("local_id")
	e.title = f.line("conv_title")
	targets := f.list("targets")
	if err := f.end(); err != nil {
		return e, err
	}
	if e.convo != 0 {
		if targets != nil {
			return e, errors.New("field targets: does not apply with convo_id")
		}
		e.title = "" // ignored
		return e, nil
	}
	return e, s.readTargets(&e, targets)
}

// readTargets parses the elements of targets, each "to:" or "cc:" and addresses
// separated by commas.
func (s *Sandbox) readTargets(e *email, targets []string) error {
	if targets == nil {
		return errors.New("field targets: is missing, and so is convo_id")
	}
	seen := make(map[string]bool)
	for _, target := range targets {
		role, addresses, _ := strings.Cut(target, ":")
		list := map[string]*[]string{"to": &e.to, "cc": &e.cc}[role]
		if list == nil {
			return fmt.Errorf("field targets: %q must begin with to: or cc:, as in to:ann@example.com", target)
		}
		for address := range strings.SplitSeq(addresses, ",") {
			if err := checkAddress(address); err != nil {
				return fmt.Errorf("field targets: %q in %q: %w", address, target, err)
			}
			if seen[strings.ToLower(address)] {
				return fmt.Errorf("field targets: %q is repeated", address)
			}
			seen[strings.ToLower(address)] = true
			*list = append(*list, address)
		}
	}
	if len(e.to) == 0 {
		return errors.New("field targets: no to: has an address")
	}
	if limit := s.o.MaxRecipients; limit > 0 && len(seen) > limit {
		return fmt.Errorf("field targets: %d recipients, at most %d are allowed", len(seen), limit)
	}
	return nil
}

// permit checks e against the team's inboxes and conversations.
func (s *Sandbox) permit(t *team, e email) (status int, _ error) {
	inbox, ok := t.inbox(e.inbox)
	if !ok {
		return http.StatusBadRequest, errors.New("field inbox: unknown inbox")
	}
	if !inbox.member(e.creator) {
		return http.StatusForbidden, errors.New("field creator_id: not a member of the inbox")
	}
	if e.convo == 0 {
		return 0, nil
	}
	dead := http.StatusBadRequest
	if s.o.Modes.Dead != 0 {
		dead = s.o.Modes.Dead
	}
	convo := s.conversations[e.convo]
	if convo == nil || convo.team != t || convo.gone {
		return dead, errors.New("field convo_id: unknown conversation")
	}
	if convo.inbox != e.inbox {
		return dead, errors.New("field convo_id: the conversation is in another inbox")
	}
	return 0, nil
}

// participants returns the addresses that e goes to.
func (s *Sandbox) participants(e email) []string {
	if convo := s.conversations[e.convo]; convo != nil {
		return convo.participants
	}
	return e.recipients()
}

// recall returns the message with the local_id, if that is still remembered.
func (s *Sandbox) recall(t *team, localID string) *message {
	m := t.locals[localID]
	if m == nil || localID == "" {
		return nil
	}
	if memory := s.o.Modes.LocalIDMemory; memory > 0 && s.o.Now().Sub(m.date) >= memory {
		return nil
	}
	return m
}

// repeat responds to a known local_id. Another body under it is an error of the
// caller: it is counted, and lost.
func (s *Sandbox) repeat(first *message, e email, fault Fault) reply {
	s.stats.Repeated++
	if first.sum != sha256.Sum256(e.body) {
		s.stats.Conflicts++
	}
	if status := s.o.Modes.Duplicate; status != 0 {
		return errorReply(status, "field local_id: is already used")
	}
	return s.accepted(first, fault)
}

// accepted is the response to a message that was accepted.
func (s *Sandbox) accepted(m *message, fault Fault) reply {
	answer := map[string]any{
		"id":                 m.id,
		"convo_id":           m.convo.id,
		"queued":             true,
		"date":               m.date.Format(time.RFC3339Nano),
		"compliance_results": map[string]any{},
	}
	if after := s.faults[fault].after; after != nil {
		after(m, answer)
	}
	return jsonReply(http.StatusOK, answer)
}

// accept stores e as a message.
func (s *Sandbox) accept(t *team, e email, fault Fault) *message {
	m := &message{
		id:      s.nextMessageID(),
		team:    t,
		convo:   s.place(t, e, fault),
		localID: e.localID,
		date:    s.o.Now().UTC().Truncate(time.Millisecond),
		body:    e.body,
		sum:     sha256.Sum256(e.body),
	}
	s.messages = append(s.messages, m)
	if m.localID != "" {
		t.locals[m.localID] = m
	}
	if old := len(s.messages) - 1 - s.o.Keep; s.o.Keep > 0 && old >= 0 {
		s.messages[old].body = nil
	}
	s.stats.Accepted++
	return m
}

// place returns the conversation of e, which it opens if necessary.
func (s *Sandbox) place(t *team, e email, fault Fault) *conversation {
	old := s.conversations[e.convo]
	if old != nil && fault != Elsewhere {
		return old
	}
	participants := s.participants(e)
	if s.o.Modes.Merge && old == nil {
		if same := s.existing(t, e.inbox, participants); same != nil {
			return same
		}
	}
	convo := &conversation{
		id:           s.nextConvoID(),
		team:         t,
		inbox:        e.inbox,
		title:        e.title,
		participants: participants,
	}
	s.conversations[convo.id] = convo
	if t.first == nil {
		t.first = convo
	}
	return convo
}

// existing returns the oldest conversation of an inbox with exactly the given
// participants that is not gone; nil if there is none.
func (s *Sandbox) existing(t *team, inbox int64, participants []string) *conversation {
	for _, id := range slices.Sorted(maps.Keys(s.conversations)) {
		c := s.conversations[id]
		if c.team == t && c.inbox == inbox && !c.gone && sameSet(c.participants, participants) {
			return c
		}
	}
	return nil
}

func sameSet(a, b []string) bool {
	return slices.Equal(folded(a), folded(b))
}

func folded(addresses []string) []string {
	list := make([]string, len(addresses))
	for i, address := range addresses {
		list[i] = strings.ToLower(address)
	}
	slices.Sort(list)
	return list
}
