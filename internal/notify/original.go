package notify

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

const (
	fullOnly    = "FULL" // RFC 3461, section 4.3
	headersOnly = "HDRS"

	maxAsked   = 4 << 20  // of a message that comes back whole because its sender wants it
	maxUnasked = 64 << 10 // of one whose sender did not say, and of any header
	maxLine    = 998      // RFC 5322, section 2.1.1
)

// original is the part that holds what the report is about (RFC 6522, section 3).
// A failed message comes back whole where its sender wants it or did not say and
// it is small; the rest comes back as headers, as RFC 3461, section 4.3, has it of
// what did not fail. A message is never encoded (RFC 2045, section 6.4): one that
// could not go to the server as it is comes back as headers too.
func original(a *spool.Report, can smarthost.Offers) (p part, ok bool) {
	if len(a.Raw) == 0 {
		return part{}, false
	}
	all := head(a.Raw)
	header := proper(public(all))
	limit := map[string]int{"": maxUnasked, fullOnly: maxAsked}[a.Return]
	if a.Action == spool.FailedAction && len(a.Raw) <= limit {
		if p, ok := whole(header, proper(a.Raw[len(all):]), can); ok {
			return p, true
		}
	}
	if len(header) > maxUnasked {
		header = header[:bytes.LastIndexByte(header[:maxUnasked], '\n')+1]
	}
	if isASCII(header) && goes(header) {
		return part{"text/rfc822-headers", "7bit", "Original header", header}, true
	}
	return part{"text/rfc822-headers", "quoted-printable", "Original header", quoted(header)}, true
}

// whole is the message itself, if it can go to the server as it is.
func whole(header, rest []byte, can smarthost.Offers) (p part, ok bool) {
	raw := slices.Concat(header, rest)
	switch {
	case !goes(raw):
		return part{}, false
	case isASCII(raw):
		return part{"message/rfc822", "7bit", "Original message", raw}, true
	case can.EightBit && isASCII(header):
		return part{"message/rfc822", "8bit", "Original message", raw}, true
	case can.EightBit && can.UTF8 && utf8.Valid(header):
		return part{"message/global", "8bit", "Original message", raw}, true // RFC 6532, section 3.7
	}
	return part{}, false
}

// public is a header without what never leaves the relay: hidden recipients, and
// what the application says to the relay itself.
func public(header []byte) (fields []byte) {
	hidden := false
	for line := range bytes.Lines(header) {
		if line[0] != ' ' && line[0] != '\t' { // not a folded line
			name, _, _ := strings.Cut(strings.ToLower(string(line)), ":")
			name = strings.TrimSpace(name)
			hidden = name == "bcc" || name == "resent-bcc" || strings.HasPrefix(name, "x-heymarket-")
		}
		if !hidden {
			fields = append(fields, line...)
		}
	}
	return fields
}

// proper makes every line end CRLF.
func proper(raw []byte) []byte {
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

// head is the header of a message, without the line that ends it.
func head(raw []byte) []byte {
	end := 0
	for line := range bytes.Lines(raw) {
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		end += len(line)
	}
	return raw[:end]
}

// field is the value of a header's first field of a name, unfolded; "" where there
// is none.
func field(header []byte, name string) string {
	value, found := "", false
	for line := range bytes.Lines(header) {
		text := strings.TrimRight(string(line), "\r\n")
		folded := strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")
		key, rest, _ := strings.Cut(text, ":")
		switch {
		case found && !folded:
			return value
		case found:
			value += " " + strings.TrimSpace(text)
		case !folded && strings.EqualFold(strings.TrimRight(key, " \t"), name):
			value, found = strings.TrimSpace(rest), true
		}
	}
	return strings.TrimSpace(value)
}
