package spool

import "time"

// Key stands for one message id within a scope and a set of participants.
type Key [16]byte

// Fingerprint is equal for copies of one transaction.
type Fingerprint [32]byte

// Message is an accepted transaction, as Accept stores it.
type Message struct {
	QueueID     string
	MessageIDs  []string // of its header, without < and >
	Accepted    time.Time
	Client      string // the authenticated user, or the address, for people
	Sender      string // envelope sender, "" for <>
	Route       string
	Team        string
	Inbox       int64
	Title       string // conv_title
	BaseSubject string // the Subject without Re: and tags, compared with the conversation's (RFC 5256, section 2.1)

	Fingerprint     Fingerprint
	DuplicateSince  time.Time // an equal fingerprint accepted at or after this is the same message; zero: none is
	WeakFingerprint bool      // it has no Message-ID: its fingerprint counts only until ConfirmReply

	// ContentDigest is set where Fingerprint stands for a key of the application: it is
	// the digest of the content, which a message with an equal key must share.
	ContentDigest Fingerprint

	HTML          string
	SubjectOffset int // in HTML, for a line before all others
	Text          string
	Raw           []byte // as received, behind a trace field; the caller's again when Accept returns
	Warnings      []byte // JSON, for people; nil for none

	AutoReplied bool // more than LoopLimit of these to the same participants hold their lane

	EnvelopeID   string    // ENVID, decoded (RFC 3461, section 4.4); "" for none
	Return       string    // FULL or HDRS (RFC 3461, section 4.3); "" where the client did not choose
	ReportsAfter time.Time // no report leaves before: the reply may contain the outcome; zero: at once

	Shadow *Shadow // nil for a message to send

	// Smarthost has the message leave as it came, by the smarthost of its route. It has one
	// request for each recipient, those of one audience with the same Participants and
	// beside each other; Team and Inbox are the scope of its conversations.
	Smarthost bool

	Requests []Request
	Files    []File // that its bodies link to
	FilesAt  string // the location of their objects, see UseStore
}

// Shadow says of a message that it was passed on to another server. Its requests are
// stored as Shadowed: found by later messages in their conversations, and never sent.
type Shadow struct {
	Reply   string // of the other server, for people
	Refusal string // the reply with which heyrelay would have refused the message, "" for none
}

// String describes how the message was passed on, and why it would have been refused.
func (s Shadow) String() string {
	if s.Refusal != "" {
		return s.Reply + "; would have been refused: " + s.Refusal
	}
	return s.Reply
}

// RequestTeam returns the team of the message's requests: Team, or that of a smarthost.
func (m *Message) RequestTeam() string {
	if m.Smarthost {
		return SmarthostTeam(m.Route)
	}
	return m.Team
}

// Request is one POST to come, or one transaction with a smarthost.
type Request struct {
	LocalID      string   // idempotency key of the API, the same in all attempts
	To, Cc       []string // as spelt in the envelope
	Participants string   // canonical form of all of them: equal for equal sets
	Priority     Priority
	Subject      SubjectLine
	DSN          []DSN // what the client asked for about each of To, then Cc; nil: nothing

	// ConvoID is the conversation that the application named, 0 for none. It decides
	// instead of Lookup. An unknown one is checked before the first send.
	ConvoID int64

	Lookup      []Key    // keys of its conversation, best first; nil: open a new one
	LookupNames []string // of Lookup, or of ConvoID, for people: which field named which id; nil for none
	Own         []Key    // of this message's own ids
	Cited       []Key    // of the ids that it cites, recorded only if they are unknown
}

// SubjectLine decides when the bodies of a message that joins a conversation begin
// with its Subject, for which a reply through the API has no field.
type SubjectLine int8

// The rules of config's reply_subject.
const (
	SubjectChanged SubjectLine = iota // where BaseSubject differs from the conversation's
	SubjectAlways
	SubjectNever
)

// Receipt is the result of Accept.
type Receipt struct {
	QueueID   string // of the first message, where Duplicate
	Duplicate bool
	Revived   int      // requests of a duplicate that were queued again
	Joined    []int    // by request: index in Lookup of its conversation, 0 if ConvoID named it, -1 for a new one
	SameID    bool     // an earlier message owns one of its own ids
	Looping   bool     // one of its lanes is held from now on, for LoopReason
	Unused    []string // keys of Message.Files that were not taken up: nothing needs these objects
}

// More automatic replies than LoopLimit to the same participants, from one inbox
// and within LoopSpan, are taken for two machines that answer each other.
const (
	LoopLimit  = 20
	LoopSpan   = time.Hour
	LoopReason = "more than 20 automatic replies within an hour to the same participants look like a loop: " +
		"end it, then release or drop them (heyrelay queue release, or drop, --recipient ADDRESS)"
)
