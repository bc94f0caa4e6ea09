package mimeconv

import "fmt"

// The codes of warnings.
const (
	FromReplaced    = "from-replaced"     // the API sends from the inbox's own address
	ReplyToReplaced = "reply-to-replaced" // the API has no Reply-To
	BccDropped      = "bcc-dropped"       // a Bcc field never leaves the gateway
	HeaderRepaired  = "header-repaired"   // lines in the header that are no fields
	TitleCut        = "title-cut"         // the Subject is over the bound

	CharsetGuessed   = "charset-guessed"   // the declared charset is missing or wrong
	CharsetUnknown   = "charset-unknown"   // nobody knows the declared charset
	EncodingRepaired = "encoding-repaired" // damaged or mislabelled base64 or quoted-printable
	EncodingUnknown  = "encoding-unknown"  // an unknown Content-Transfer-Encoding
	ControlDropped   = "control-dropped"   // control characters in text

	StructureRepaired  = "structure-repaired"  // a multipart that does not end, or ends wrongly
	BodyAsText         = "body-as-text"        // cannot parse the MIME structure: the body is shown as is
	BodyFromSubject    = "body-from-subject"   // there is no body: it is the Subject
	TextEmpty          = "text-empty"          // HTML without any text
	AlternativeDropped = "alternative-dropped" // a form of the body that cannot be shown
	SignatureDropped   = "signature-dropped"   // S/MIME or PGP
	PartDropped        = "part-dropped"        // an empty part
	UUDecoded          = "uuencode-decoded"    // files in a text, by uuencode
	TNEFUnpacked       = "tnef-unpacked"       // winmail.dat: its body and files were taken out
	CalendarSummarized = "calendar-summarized" // a calendar is shown as text, and its file left out

	AttachmentDropped = "attachment-dropped" // by policy
	ImageDropped      = "image-dropped"      // by policy, over the bounds, or shown nowhere
	ImageMissing      = "image-missing"      // a cid: that names no part
)

// maxWarnings bounds the warnings of a message: a thousand broken parts need not
// be told one by one.
const maxWarnings = 100

// warn records a warning. The part is an enmime part id or a field's name.
func (c *converter) warn(code, part, format string, args ...any) {
	if len(c.warnings) < maxWarnings {
		c.note(Warning{Code: code, Detail: fmt.Sprintf(format, args...)}, part)
	}
}

// note records w, if it says anything, once.
func (c *converter) note(w Warning, part string) {
	w.Part = part
	if w.Code == "" || len(c.warnings) >= maxWarnings {
		return
	}
	for _, old := range c.warnings {
		if old == w {
			return
		}
	}
	c.warnings = append(c.warnings, w)
}
