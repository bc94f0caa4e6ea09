package mimeconv

import "fmt"

// The codes of warnings.
const (
	FromReplaced    = "from-replaced"     // the API sends from the address of the inbox
	ReplyToReplaced = "reply-to-replaced" // the API has no Reply-To
	BccDropped      = "bcc-dropped"       // a Bcc field is never forwarded
	HeaderRepaired  = "header-repaired"   // invalid lines in the header
	TitleCut        = "title-cut"         // the Subject is too long

	CharsetGuessed   = "charset-guessed"   // the declared charset is missing or wrong
	CharsetUnknown   = "charset-unknown"   // the declared charset is unknown
	EncodingRepaired = "encoding-repaired" // damaged or mislabeled base64 or quoted-printable
	EncodingUnknown  = "encoding-unknown"  // unknown Content-Transfer-Encoding
	ControlDropped   = "control-dropped"   // control characters in text

	StructureRepaired  = "structure-repaired"  // damaged MIME structure
	BodyAsText         = "body-as-text"        // unreadable MIME structure: the body is shown as is
	BodyFromSubject    = "body-from-subject"   // no body: the Subject is sent
	TextEmpty          = "text-empty"          // HTML without text
	AlternativeDropped = "alternative-dropped" // an alternative of an unsupported type, or replaced by another
	SignatureDropped   = "signature-dropped"   // S/MIME or PGP
	EncryptedDropped   = "encrypted-dropped"   // a part encrypted with S/MIME or PGP
	PartDropped        = "part-dropped"        // an empty part
	TextDropped        = "text-dropped"        // text outside the parts of a multipart
	UUDecoded          = "uuencode-decoded"    // uuencoded files in a text
	TNEFUnpacked       = "tnef-unpacked"       // body and files extracted from winmail.dat
	CalendarSummarized = "calendar-summarized" // a calendar shown as text, its file dropped

	AttachmentDropped = "attachment-dropped" // by policy
	ImageDropped      = "image-dropped"      // by policy, too large, or not referenced
	ImageMissing      = "image-missing"      // a cid: URL without a part
	LinkDropped       = "link-dropped"       // a link to a part of the message
)

// maxWarnings bounds the warnings of a message.
const maxWarnings = 100

// warn records a warning. part is a part id or the name of a header field.
func (c *converter) warn(code, part, format string, args ...any) {
	if len(c.warnings) < maxWarnings {
		c.note(Warning{Code: code, Detail: fmt.Sprintf(format, args...)}, part)
	}
}

// note records w unless it has no code or was recorded before.
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
