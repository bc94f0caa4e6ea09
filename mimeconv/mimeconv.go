// Package mimeconv reads a raw mail message and makes of it what an API that
// takes an HTML body, a plain body and a title can use.
//
// It works in two steps, because who sends a message decides how it is to be
// converted: [ReadHeader] reads the header alone, and [Convert] the body, under
// the policies of the route that the header chose. Both are pure: no clock, no
// network, no files, and the same result for the same input.
//
// The header is read field by field, as programs write it. For the structure of a
// multipart body we ask enmime, behind a fence (guard.go) that stops what would
// take it too long. What is body and what is a file is chosen from its tree
// (choose.go); transfer encodings and charsets are taken off (transfer.go, package
// charset); winmail.dat is taken apart (winmail.go, package tnef) and a calendar
// summarized (calendar.go, package ical); what was sent in one form only is rendered
// in the other (plainhtml.go, package htmltext); pictures and attachments are placed
// as the policies say (inline.go, attachments.go). Nothing is lost without a
// [Warning], and a body that says something never becomes one that says nothing.
//
// The packages below this one each know one format and nothing of messages.
package mimeconv

import "time"

// Header is the message header as far as anything after it needs it. Strings are
// decoded (RFC 2047), valid UTF-8 and without line ends or control characters.
type Header struct {
	From, ReplyTo []Address
	To, Cc, Bcc   []Address // repeated fields joined
	Resent        []Resent  // Resent-* blocks, newest (topmost) first
	Subject       string    // "" when there is none
	Date          time.Time // zero when missing or unreadable

	// Message ids without their angle brackets, in the order read, otherwise
	// as written (RFC 5322, section 3.6.4).
	Own        []string // Message-ID, X-Microsoft-Original-Message-ID, X-Google-Original-Message-ID
	InReplyTo  []string
	References []string

	HasMessageID bool              // a Message-ID field that holds an id
	Received     []string          // Received fields, unfolded, newest first
	AutoReplied  bool              // Auto-Submitted: auto-replied (RFC 3834)
	Bulk         bool              // Precedence: bulk, list or junk, or List-Unsubscribe
	Control      map[string]string // X-Heymarket-* fields by their lower-case name without that prefix; a repeated one is joined by "\n"
}

// Address is a mailbox out of a header: "Name <Addr>". Addr is as written; it is
// not checked against any allow-list here.
type Address struct{ Name, Addr string }

// Resent is one block of Resent-To and Resent-Cc (RFC 5322, section 3.6.6).
type Resent struct{ To, Cc []Address }

// Options are the route's policies.
type Options struct {
	Attachments  Policy // Reject (the zero value), Link or Drop
	InlineImages Policy // Embed (the zero value is taken as Embed), Link or Drop

	Title string // what Message.Title is made of instead of the Subject, one line; "" for the Subject

	// Link stores an attachment and returns the address under which its reader
	// can fetch it; needed where a policy is Link. Its error ends the conversion
	// and is returned as it is.
	Link func(Attachment) (string, error)
}

// Policy says what becomes of a part that the API has no place for.
type Policy string

// The policies.
const (
	Reject Policy = "reject" // refuse the message with ErrAttachment
	Embed  Policy = "embed"  // inline images as data: URIs
	Link   Policy = "link"   // store it, and put a link into both bodies
	Drop   Policy = "drop"   // leave it out, and say so in both bodies
)

// Message is a converted message.
type Message struct {
	HTML     string // never empty, valid UTF-8
	Text     string // never empty, valid UTF-8
	Start    int    // where in HTML a first line can be inserted: just behind <body …>, else 0
	Title    string // the Subject or Options.Title on one line, bounded; "(no subject)" when there is none
	Warnings []Warning
}

// Attachment is a decoded part that is no body. Data aliases nothing.
type Attachment struct {
	Name        string // safe as a file name: no path, no control characters; never empty
	ContentType string
	Data        []byte
}

// Warning tells of something dropped, repaired or guessed.
type Warning struct {
	Code   string `json:"code"`           // such as "charset-guessed"; the list is in warnings.go
	Part   string `json:"part,omitempty"` // which part: enmime's part id, or a header field's name
	Detail string `json:"detail"`         // for people
}

// Error says why a message cannot be converted. Its text is written for the
// sender and may be shown to it.
type Error struct {
	Kind   ErrorKind
	Detail string
}

// ErrorKind sorts conversion errors by what the sender can do about them.
type ErrorKind int

// The kinds of conversion error.
const (
	ErrAttachment ErrorKind = iota + 1 // attachments, and the policy is Reject
	ErrEmpty                           // no body and no Subject
	ErrEncrypted                       // S/MIME or PGP encrypted: nobody could read it
	ErrTooComplex                      // too many parts, too deep, a header block or field too large
	ErrTooLarge                        // decoded or rendered size over the bound
)

func (e *Error) Error() string { return e.Detail }
