package notify

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-message/textproto"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

const (
	fullOnly    = "FULL" // RFC 3461, section 4.3
	headersOnly = "HDRS"

	maxAsked   = 4 << 20  // octets of a message that is returned whole because its sender asked for it
	maxUnasked = 64 << 10 // octets of one whose sender did not, and of any header
	maxLine    = 998      // octets, RFC 5322, section 2.1.1
)

// original is the part with the message that the report is about (RFC 6522, section
// 3). A failed message is returned whole where its sender asked for that, or did
// not ask and it is small. Otherwise only its header is returned, as RFC 3461,
// section 4.3, wants it for what did not fail. Messages are never encoded (RFC
// 2045, section 6.4): one that the server cannot take as it is returns as headers.
func original(a *spool.Report, can smarthost.Offers) (p part, ok bool) {
	if len(a.Raw) == 0 {
		return part{}, false
	}
	h, body := readHeader(a.Raw)
	header := public(h)
	limit := map[string]int{"": maxUnasked, fullOnly: maxAsked}[a.Return]
	if a.Action == spool.FailedAction && len(a.Raw) <= limit {
		if p, ok := whole(header, body, can); ok {
			return p, true
		}
	}
	if len(header) > maxUnasked {
		header = header[:bytes.LastIndexByte(header[:maxUnasked], '\n')+1]
	}
	if smarthost.IsASCII(header) && goes(header) {
		return part{"text/rfc822-headers", "7bit", "Original header", header}, true
	}
	return part{"text/rfc822-headers", "quoted-printable", "Original header", quoted(header)}, true
}

// whole is the message itself, if it can go to the server as it is.
func whole(header, body []byte, can smarthost.Offers) (p part, ok bool) {
	raw := slices.Concat(header, []byte("\r\n"), body)
	switch {
	case !goes(raw):
		return part{}, false
	case smarthost.IsASCII(raw):
		return part{"message/rfc822", "7bit", "Original message", raw}, true
	case can.EightBit && smarthost.IsASCII(header):
		return part{"message/rfc822", "8bit", "Original message", raw}, true
	case can.EightBit && can.UTF8 && utf8.Valid(header):
		return part{"message/global", "8bit", "Original message", raw}, true // RFC 6532, section 3.7
	}
	return part{}, false
}

// readHeader reads the header of a message and returns what follows its blank line.
// Lines that belong to no field are dropped, where go-message alone would stop. Of
// a message over maxAsked, the body is cut; nothing returns it.
func readHeader(raw []byte) (h mail.Header, body []byte) {
	raw = properLines(raw[:min(len(raw), maxAsked+1)])
	text := bytes.NewReader(raw)
	in := bufio.NewReader(text)
	var fields [][]byte
	for more := true; more; {
		read, err := textproto.ReadHeader(in)
		for f := read.Fields(); f.Next(); {
			field, _ := f.Raw() // as it was read
			fields = append(fields, field)
		}
		more = err != nil && text.Len()+in.Buffered() > 0
	}
	for _, field := range slices.Backward(fields) {
		h.AddRaw(field)
	}
	return h, raw[len(raw)-text.Len()-in.Buffered():]
}

// returned are the fields that a report returns, by their canonical names. It is a
// list of what is known to be harmless: others can name recipients that the sender
// hid (Bcc, Delivered-To, X-Envelope-To, Received's "for"), or hold what the
// application says to the relay alone.
var returned = []string{
	"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-Id", "In-Reply-To", "References",
	"Comments", "Keywords", "Mime-Version", "Auto-Submitted", "Precedence", "List-Id", "User-Agent", "X-Mailer",
	"Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Date", "Resent-Message-Id",
}

// public is the part of a header that a report may return.
func public(h mail.Header) []byte {
	var b bytes.Buffer
	for f := h.Fields(); f.Next(); {
		name := f.Key()
		if !slices.Contains(returned, name) && !strings.HasPrefix(name, "Content-") {
			continue
		}
		field, _ := f.Raw() // as it was read
		b.Write(field)
	}
	return b.Bytes()
}

// properLines ends every line with CRLF.
func properLines(raw []byte) []byte {
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	raw = bytes.ReplaceAll(raw, []byte("\r"), []byte("\n"))
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
}

// goes reports whether text can be sent unencoded (RFC 2045, section 2.8).
func goes(text []byte) bool {
	for line := range bytes.Lines(text) {
		if len(line) > maxLine+2 || bytes.IndexByte(line, 0) >= 0 {
			return false
		}
	}
	return true
}
