package sandbox

import (
	"encoding/json"
	"net/http"
	"time"
)

// Call is a call that the sandbox received. Body must not be modified.
type Call struct {
	Method, Path string
	Body         []byte
}

// Message is a message that the sandbox accepted.
type Message struct {
	ID      int64           `json:"id"`
	ConvoID int64           `json:"convo_id"`
	Request json.RawMessage `json:"request"` // the body as received; nil if it is not kept

	LocalID  string    `json:"-"`
	Team     int64     `json:"-"`
	Accepted time.Time `json:"-"`
}

// Stats counts calls since the sandbox was made.
type Stats struct {
	Calls        int `json:"calls"`        // under /v1, of all kinds
	Accepted     int `json:"accepted"`     // messages
	Repeated     int `json:"repeated"`     // sends with a known local_id
	Conflicts    int `json:"conflicts"`    // those of them with another body: an error of the caller
	Invalid      int `json:"invalid"`      // sends that were refused as invalid
	Unauthorized int `json:"unauthorized"` // calls without valid credentials
	Throttled    int `json:"throttled"`    // calls answered 429: over the rate, or by a fault
}

// Messages lists the messages accepted since the last Forget, in that order.
func (s *Sandbox) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Message{}
	for _, m := range s.messages[s.listed:] {
		list = append(list, Message{
			ID:       m.id,
			ConvoID:  m.convo.id,
			Request:  m.body,
			LocalID:  m.localID,
			Team:     m.team.ID,
			Accepted: m.date,
		})
	}
	return list
}

// Forget empties the list of Messages. Conversations and local_ids stay.
func (s *Sandbox) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages[s.listed:] {
		m.body = nil
	}
	s.listed = len(s.messages)
}

// Stats returns the counters.
func (s *Sandbox) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// count increments a counter and returns it.
func (s *Sandbox) count(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
	return *n
}

// Inject makes the next n calls under /v1 for which match is true fail with f; if
// n is negative, all until Clear. A nil match is true for every call. Of several
// injections that match, the oldest applies. match must not call the sandbox.
func (s *Sandbox) Inject(n int, f Fault, match func(Call) bool) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.injections = append(s.injections, &injection{n, f, match})
}

// Clear removes all injections.
func (s *Sandbox) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.injections = nil
}

// Remove deletes a conversation. It reports whether there was one.
func (s *Sandbox) Remove(convoID int64) bool {
	return s.change(convoID, func(c *conversation) { c.gone = true })
}

// Move transfers a conversation to another inbox. It reports whether there was one.
func (s *Sandbox) Move(convoID, inbox int64) bool {
	return s.change(convoID, func(c *conversation) { c.inbox = inbox })
}

func (s *Sandbox) change(convoID int64, do func(*conversation)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.conversations[convoID]
	if ok {
		do(c)
	}
	return ok
}

// control handles the paths that are not the API's.
func (s *Sandbox) control(c call) reply {
	switch c.Method + " " + c.Path {
	case "GET /", "HEAD /":
		return s.welcome()
	case "GET /sandbox/messages":
		return jsonReply(http.StatusOK, s.Messages())
	case "DELETE /sandbox/messages":
		s.Forget()
		return jsonReply(http.StatusOK, s.Messages())
	case "GET /sandbox/stats":
		return jsonReply(http.StatusOK, s.Stats())
	}
	return unknownPath(c)
}

// unknownPath responds to a call that nothing handles.
func unknownPath(c call) reply {
	return errorReply(http.StatusNotFound, "unknown path: "+c.Method+" "+c.Path)
}
