// Package mimeconv converts a raw mail message to an HTML body, a plain text body and a title,
// for an API that accepts only these.
//
// It works in two steps, because the sender determines how a message is converted:
// [ReadHeader] reads only the header, and [Convert] converts the body according to the
// policies of the route that the header selects. Both are pure: no clock, network or files,
// and the same result for the same input.
//
// The header is read field by field, tolerating common mistakes. The delimiters of a multipart body
// are found within limits (outline.go, limits.go), and the tree of parts is built from them, by
// enmime where anything about them is odd (tree.go). The leaves are sorted into body and files
// (choose.go). Transfer encodings and charsets are decoded (transfer.go, package charset),
// winmail.dat is unpacked (winmail.go, package tnef) and calendars are summarized (calendar.go,
// package ical). A body that was sent in one form only is rendered in the other (plainhtml.go,
// package htmltext). Images and attachments are placed according to the policies (inline.go,
// attachments.go): what is linked is decoded while it is read (stream.go), has the type that its
// content shows (sniff.go), and is listed in both bodies (package linkblock). Nothing is dropped
// without a [Warning], and a body that is not empty never becomes empty.
//
// Each package below this one handles one format and knows nothing about messages.
package mimeconv

import (
	"io"
	"time"

	"heyrelay/mimeconv/linkblock"
)

// Header contains the header fields of a message that routing and threading need. Strings are
// decoded (RFC 2047), valid UTF-8, and contain neither line ends nor control characters.
type Header struct {
	From, ReplyTo []Address
	To, Cc, Bcc   []Address // repeated fields joined
	Resent        []Resent  // Resent-* blocks, newest (topmost) first
	Subject       string    // "" if there is none
	Date          time.Time // zero if missing or invalid

	// Message ids without their angle brackets, in order, otherwise as written (RFC
	// 5322, section 3.6.4).
	Own        []string // Message-ID, X-Microsoft-Original-Message-ID, X-Google-Original-Message-ID
	InReplyTo  []string
	References []string

	HasMessageID bool     // there is a Message-ID field with an id
	Received     []string // Received fields, unfolded, newest first
	AutoReplied  bool     // Auto-Submitted: auto-replied (RFC 3834)
	Bulk         bool     // Precedence: bulk, list or junk, or List-Unsubscribe
	Hidden       int      // number of fields that nobody may see: Bcc, damaged ones too, and X-Heymarket-*

	// Control contains the X-Heymarket-* fields by their lower-case names without that
	// prefix. Values of repeated fields are joined by "\n".
	Control map[string]string

	read parsed // for Options.Header
}

// Address is a mailbox in a header field, "Name <Addr>". Addr is as written, but for comments,
// white space and the dot of the root domain, and has not been validated.
type Address struct{ Name, Addr string }

// Resent is one block of Resent-To, Resent-Cc and Resent-Bcc (RFC 5322, section 3.6.6).
type Resent struct{ To, Cc, Bcc []Address }

// Options are the policies of a route.
type Options struct {
	Attachments  Policy // Reject (default), Link, Drop or Name
	InlineImages Policy // Embed (default), Link or Drop

	// Header is what ReadHeader has made of the header of this message, which Convert then does not
	// read again. nil: it reads it.
	Header *Header

	Title string // replaces the Subject as Message.Title, one line; "" for the Subject

	// MaxBody bounds the decoded text, and each of the two bodies, in octets. Conversion
	// stops as soon as it is exceeded, with ErrTooLarge. 0 or more than 8 MiB: 8 MiB.
	MaxBody int

	// Reserve, if not nil, is called for n octets that Convert makes of the message, at the
	// latest when they are made: parts that it decodes, text that it converts, bodies that
	// it writes. n is negative for octets that are no longer in use. Its error ends the
	// conversion and is returned unchanged.
	Reserve func(n int64) error

	// Link returns the URL from which the recipient can download a file. Required if a
	// policy is Link. Its error ends the conversion and is returned unchanged.
	Link func(Attachment) (string, error)

	LinkCalendars bool // link calendars, too, which the body summarizes, if Attachments is Link
	LinkMessages  bool // link forwarded messages, too, which the body shows, if Attachments is Link

	// Block lists the links in the bodies; nil for the default. Until is the last day on which
	// they can be used, as people write it, and Expires when they expire.
	Block   *linkblock.Block
	Until   string
	Expires time.Time
}

// Policy selects how to handle a part that the API does not support.
type Policy string

// The policies.
const (
	Reject Policy = "reject" // reject the message with ErrAttachment
	Embed  Policy = "embed"  // embed images as data: URIs
	Link   Policy = "link"   // store the part and add a link to both bodies
	Drop   Policy = "drop"   // drop the part and say so in both bodies
	Name   Policy = "name"   // name the part in both bodies: it reaches the recipient with the message itself
)

// Message is a converted message.
type Message struct {
	HTML     string // never empty, valid UTF-8
	Text     string // never empty, valid UTF-8
	Start    int    // offset in HTML at which to insert a first line: after <body …> or the document type, else 0
	Title    string // one line of at most 255 runes; "(no subject)" if there is none
	Warnings []Warning
}

// Attachment is a file or image of a message.
type Attachment struct {
	Name        string // safe as a file name: no path, no control characters, never empty
	ContentType string // by the content if that shows it, else as declared
	Size        int64  // octets
	Ending      string // of the names of files with such a content, without the dot; "" if unknown
	Inline      bool   // the HTML shows it as an image

	// Open returns a reader of the octets, from the first; it can be called repeatedly. They are
	// decoded from the message while they are read, so the message must not change meanwhile.
	// The reader never fails.
	Open func() io.Reader
}

// Warning reports something that was dropped, repaired or guessed.
type Warning struct {
	Code   string `json:"code"`           // such as "charset-guessed", see the constants
	Part   string `json:"part,omitempty"` // part id such as "1.2", or the name of a header field
	Detail string `json:"detail"`         // human-readable
}

// Error is the reason why a message cannot be converted. Its text is meant for the sender.
type Error struct {
	Kind   ErrorKind
	Detail string
}

// ErrorKind classifies conversion errors by what the sender can do about them.
type ErrorKind int

// The kinds of conversion error.
const (
	ErrAttachment ErrorKind = iota + 1 // attachments, with the policy Reject
	ErrEmpty                           // neither body nor Subject
	ErrEncrypted                       // encrypted with S/MIME or PGP: recipients could not read it
	ErrTooComplex                      // too many parts, nested too deeply, or a header too large
	ErrTooLarge                        // decoded or rendered text too large
)

func (e *Error) Error() string { return e.Detail }
