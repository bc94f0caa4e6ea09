package notify

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/emersion/go-message/textproto"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

// status is the part for programs (RFC 3464, section 2.1). It is ASCII, whatever
// the addresses are (RFC 6533, section 3), so that every server takes it.
func status(r Reporter, a *spool.Report) part {
	var b bytes.Buffer
	about := fields{{"Reporting-MTA", "dns; " + r.Hostname}}
	if a.EnvelopeID != "" {
		about.add("Original-Envelope-Id", xtext(a.EnvelopeID))
	}
	about.addTime("Arrival-Date", a.Accepted)
	about.add("X-Heyrelay-Queue-Id", ascii(a.QueueID, 100))
	about.write(&b)
	for _, to := range a.Recipients {
		recipient(a, to).write(&b)
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\r\n")) // the last group ends with the part
	return part{"message/delivery-status", "7bit", "Delivery report", text}
}

// recipient is the group of fields about one recipient (RFC 3464, section 2.3).
func recipient(a *spool.Report, to spool.ReportRecipient) (f fields) {
	if to.Original != "" {
		f.add("Original-Recipient", typed(strings.Cut(to.Original, ";")))
	}
	f.add("Final-Recipient", typed("rfc822", to.Address, true))
	f.add("Action", string(a.Action))
	f.add("Status", code(a))
	if a.Reason != "" {
		f.add("Diagnostic-Code", diagnosis(a))
	}
	f.addTime("Last-Attempt-Date", a.Tried)
	if a.LocalID != "" {
		f.add("Final-Log-ID", ascii(a.LocalID, 100))
	}
	if a.Action == spool.DelayedAction {
		f.addTime("Will-Retry-Until", a.Until)
	}
	return f
}

// fields are names and values, in order.
type fields [][2]string

func (f *fields) add(name, value string) { *f = append(*f, [2]string{name, value}) }

func (f *fields) addTime(name string, t time.Time) {
	if !t.IsZero() {
		f.add(name, date(t))
	}
}

// write writes the fields and a blank line. go-message adds fields at the top.
func (f fields) write(b *bytes.Buffer) {
	var h textproto.Header
	for _, field := range slices.Backward(f) {
		h.Add(field[0], field[1])
	}
	_ = textproto.WriteHeader(b, h) // into memory, and no value holds a line end
}

// code is the status code of RFC 3463: that of the smarthost, or derived from the HTTP status
// of the last response, if there was one.
func code(a *spool.Report) string {
	if a.Smarthost {
		return smarthostCode(a)
	}
	denied := a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden
	temporary := a.Status == 0 || a.Status >= 500 ||
		a.Status == http.StatusTooManyRequests || a.Status == http.StatusRequestTimeout
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
	case temporary:
		return "5.4.7" // delivery time expired
	}
	return "5.0.0"
}

// enhanced is a status code within the reply of a server (RFC 2034).
var enhanced = regexp.MustCompile(`^([245])\d\d ([245]\.\d{1,3}\.\d{1,3}) `)

// smarthostCode is the status code in the last reply of a smarthost, as far as it fits what is
// reported.
func smarthostCode(a *spool.Report) string {
	found := enhanced.FindStringSubmatch(a.Reason)
	class := map[spool.Action]string{spool.FailedAction: "5", spool.DelayedAction: "4", spool.RelayedAction: "2"}[a.Action]
	switch {
	case found != nil && found[1] == class && strings.HasPrefix(found[2], class):
		return found[2]
	case a.Action == spool.FailedAction && a.Status/100 == 4:
		return "5.4.7" // delivery time expired
	case a.Action == spool.DelayedAction && a.Status == 0:
		return "4.4.1" // no answer from host
	}
	return class + ".0.0"
}

// diagnosis is the smarthost's reply, or the HTTP status and the API's error text (RFC 3464,
// section 2.3.6).
func diagnosis(a *spool.Report) string {
	if a.Smarthost && strings.HasPrefix(a.Reason, strconv.Itoa(a.Status)) {
		return "smtp; " + ascii(a.Reason, 500)
	}
	if a.Smarthost {
		return "x-heyrelay; " + ascii(a.Reason, 500)
	}
	s := "x-heymarket; "
	if a.Status != 0 {
		s += fmt.Sprintf("%d ", a.Status)
	}
	s += ascii(a.Reason, 500)
	if a.APIID != "" {
		s += " (X-Request-Id " + ascii(a.APIID, 100) + ")"
	}
	return s
}

// typed writes an address with its type: unchanged where it is ASCII, otherwise in
// the form of RFC 6533, section 3. found is false where kind is an address without
// a type.
func typed(kind, address string, found bool) string {
	if !found {
		kind, address = "rfc822", kind
	}
	if strings.EqualFold(kind, "utf-8") || !smarthost.IsASCII(address) {
		return "utf-8; " + cut(embedded(strings.TrimSpace(address)), 800)
	}
	return strings.ToLower(ascii(kind, 20)) + "; " + xtext(strings.TrimSpace(address))
}

// xtext writes a value that came decoded from RFC 3461's xtext. What is not
// printable is encoded again (section 4), so that it cannot end the line.
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
	s = strings.ToValidUTF8(s, "\uFFFD")
	separates := func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }
	s = strings.Join(strings.FieldsFunc(s, separates), " ")
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

// cut bounds a line of ASCII.
func cut(s string, limit int) string { return s[:min(len(s), limit)] }
