package notify

import (
	"bytes"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// explanation is the part for people: what happened to which message, for whom, why,
// and what to do.
func explanation(r Reporter, a *spool.Report) part {
	var b strings.Builder
	add := func(format string, args ...any) { b.WriteString(wrap(fmt.Sprintf(format, args...), "") + "\n\n") }
	add("This is the mail relay %s.", r.Hostname)
	message := "Your message"
	if title := plain(a.Title, 200); title != "" {
		message += ` "` + title + `"`
	}
	if !a.Accepted.IsZero() {
		message += " of " + date(a.Accepted)
	}
	switch a.Action {
	case spool.FailedAction:
		add("%s could not be delivered to:", message)
	case spool.DelayedAction:
		add("%s has not been delivered yet to:", message)
	case spool.RelayedAction:
		who := "Heymarket"
		if a.Smarthost {
			who = "the next mail server"
		}
		add("%s was accepted by %s, which does not confirm final delivery, for:", message, who)
	}
	for _, to := range a.Recipients {
		fmt.Fprintf(&b, "    %s\n", plain(to.Address, 320))
	}
	b.WriteString("\n")
	if a.Reason != "" {
		add("Reason:")
		b.WriteString(wrap(plain(a.Reason, 1000), "    ") + reference(a) + "\n\n")
	}
	if a.Unknown && a.Action != spool.RelayedAction {
		add("The outcome of at least one attempt is unknown: the message may have been delivered. " +
			"Ask the recipient before you send it again.")
	}
	add("%s", advice(r, a))
	add("Queue id: %s", plain(a.QueueID, 100))
	text := strings.TrimSpace(b.String()) + "\n"
	return part{"text/plain; charset=utf-8", "quoted-printable", "Notification", quoted([]byte(text))}
}

// reference identifies the attempt to those who run the API.
func reference(a *spool.Report) (s string) {
	if a.Status != 0 && !a.Smarthost { // which says its code itself
		s += fmt.Sprintf("\n    HTTP status: %d", a.Status)
	}
	if a.APIID != "" {
		s += "\n    X-Request-Id: " + plain(a.APIID, 100)
	}
	return s
}

// advice is what the sender can do.
func advice(r Reporter, a *spool.Report) string {
	switch {
	case a.Action == spool.RelayedAction:
		return "No further reports will be sent."
	case a.Action == spool.DelayedAction && !a.Until.IsZero():
		return "Delivery will be retried until " + date(a.Until) +
			". No action is needed; if delivery fails, you will receive another report."
	case a.Action == spool.DelayedAction:
		return "Delivery will be retried. No action is needed; if delivery fails, you will receive another report."
	}
	return "Correct the cause and send the message again, or give the queue id to the administrator of " + r.Hostname +
		", who can resend it unchanged."
}

// date writes a time as RFC 5322, section 3.3, wants it.
func date(t time.Time) string { return t.UTC().Format(time.RFC1123Z) }

// wrap breaks a line between words.
func wrap(text, indent string) string {
	const width = 72 // with room for quoted-printable
	var b strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
			b.WriteString(indent)
			length = len(indent)
		case length+1+n > width:
			b.WriteString("\n" + indent)
			length = len(indent)
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += n
	}
	return b.String()
}

// quoted encodes as quoted-printable (RFC 2045, section 6.7).
func quoted(text []byte) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write(text) // into memory
	_ = w.Close()
	return b.Bytes()
}
