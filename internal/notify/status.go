package notify

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"heyrelay/internal/spool"
)

// status is the part for programs (RFC 3464, section 2.1). It is ASCII, whatever
// the addresses are (RFC 6533, section 3), so that it can go everywhere.
func status(r Reporter, a *spool.Report) part {
	var b bytes.Buffer
	add := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	moment := func(name string, t time.Time) {
		if !t.IsZero() {
			add(name, date(t))
		}
	}
	add("Reporting-MTA", "dns; "+r.Hostname)
	if a.EnvelopeID != "" {
		add("Original-Envelope-Id", xtext(a.EnvelopeID))
	}
	moment("Arrival-Date", a.Accepted)
	add("X-Heyrelay-Queue-Id", ascii(a.QueueID, 100))
	for _, to := range a.Recipients {
		b.WriteString("\r\n")
		if to.Original != "" {
			add("Original-Recipient", typed(strings.Cut(to.Original, ";")))
		}
		add("Final-Recipient", typed("rfc822", to.Address, true))
		add("Action", string(a.Action))
		add("Status", code(a))
		if a.Reason != "" {
			add("Diagnostic-Code", diagnosis(a))
		}
		moment("Last-Attempt-Date", a.Tried)
		if a.LocalID != "" {
			add("Final-Log-ID", ascii(a.LocalID, 100))
		}
		if a.Action == spool.DelayedAction {
			moment("Will-Retry-Until", a.Until)
		}
	}
	return part{"message/delivery-status", "7bit", "Delivery report", b.Bytes()}
}

// code is the status of RFC 3463. A report knows the HTTP status of the last
// answer, if there was one, and no more.
func code(a *spool.Report) string {
	denied := a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden
	again := a.Status == 0 || a.Status >= 500 || a.Status == http.StatusTooManyRequests || a.Status == http.StatusRequestTimeout
	switch {
	case a.Action == spool.RelayedAction:
		return "2.0.0"
	case a.Action == spool.DelayedAction && a.Status == 0:
		return "4.4.1" // no answer from host
	case a.Action == spool.DelayedAction && denied:
		return "4.3.5" // system incorrectly configured
	case a.Action == spool.DelayedAction:
		return "4.3.0" // other or undefined mail system status
	case a.Status == http.StatusRequestEntityTooLarge:
		return "5.3.4" // message too big for system
	case denied:
		return "5.7.1" // delivery not authorized, message refused
	case again:
		return "5.4.7" // delivery time expired
	}
	return "5.0.0"
}

// diagnosis is what the API said, behind its HTTP status (RFC 3464, section 2.3.6).
func diagnosis(a *spool.Report) string {
	s := "x-heymarket; "
	if a.Status != 0 {
		s += fmt.Sprintf("%d ", a.Status)
	}
	s += ascii(a.Reason, 500)
	if a.APIID != "" {
		s += "\r\n (X-Request-Id " + ascii(a.APIID, 100) + ")"
	}
	return s
}

// typed writes an address with its type: as it is where it is ASCII, otherwise as
// RFC 6533, section 3, has it. found is false where there is no type to believe.
func typed(kind, address string, found bool) string {
	if !found {
		kind, address = "rfc822", kind
	}
	if strings.EqualFold(kind, "utf-8") || !isASCII(address) {
		return "utf-8; " + cut(embedded(strings.TrimSpace(address)), 800)
	}
	return strings.ToLower(ascii(kind, 20)) + "; " + xtext(strings.TrimSpace(address))
}

// xtext writes what RFC 3461 hands over decoded, and can hand over no line end. What
// is not printable all the same stays as its section 4 encodes it.
func xtext(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return cut(b.String(), 800)
}

// embedded writes an address as utf-8-addr-xtext (RFC 6533, section 3).
func embedded(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c > ' ' && c <= '~' && !strings.ContainsRune(`\+=`, c) {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\x{%02X}`, c)
		}
	}
	return b.String()
}

// plain makes one line of s, without control characters, of at most that many
// runes.
func plain(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}

// ascii is plain, with a question mark for what is not ASCII.
func ascii(s string, limit int) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, plain(s, limit))
}

func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] > unicode.MaxASCII {
			return false
		}
	}
	return true
}

// cut bounds a line of ASCII.
func cut(s string, limit int) string { return s[:min(len(s), limit)] }
