package notify

import (
	"bytes"
	"fmt"
	"mime/quotedprintable"
	"strings"

	"heyrelay/internal/spool"
)

// words is the part for people: what became of which message, for whom, why, and
// what to do.
func words(r Reporter, a *spool.Report) part {
	var b strings.Builder
	say := func(format string, args ...any) { b.WriteString(wrap(fmt.Sprintf(format, args...), "") + "\n\n") }
	say("This is the mail relay %s.", r.Hostname)
	message := "Your message"
	if title := plain(a.Title, 200); title != "" {
		message += ` "` + title + `"`
	}
	if !a.Accepted.IsZero() {
		message += " of " + date(a.Accepted)
	}
	switch a.Action {
	case spool.FailedAction:
		say("%s was not delivered to", message)
	case spool.DelayedAction:
		say("%s has not been delivered yet to", message)
	case spool.RelayedAction:
		say("%s was handed to Heymarket, which does not report whether it arrives, for", message)
	}
	for _, to := range a.Recipients {
		fmt.Fprintf(&b, "    %s\n", plain(to.Address, 320))
	}
	b.WriteString("\n")
	if a.Reason != "" {
		say("The reason:")
		b.WriteString(wrap(plain(a.Reason, 1000), "    ") + answered(a) + "\n\n")
	}
	if a.Unknown && a.Action != spool.RelayedAction {
		say("It is not known what became of every attempt: the message may have been delivered all the same. Ask before you send it again.")
	}
	say("%s", advice(r, a))
	say("Queue id: %s", plain(a.QueueID, 100))
	return part{"text/plain; charset=utf-8", "quoted-printable", "Notification", quoted([]byte(strings.TrimSpace(b.String()) + "\n"))}
}

// answered says what helps to find the attempt on the other side.
func answered(a *spool.Report) (s string) {
	if a.Status != 0 {
		s += fmt.Sprintf("\n    HTTP status: %d", a.Status)
	}
	if a.APIID != "" {
		s += "\n    X-Request-Id: " + plain(a.APIID, 100)
	}
	return s
}

// advice says what the sender can do.
func advice(r Reporter, a *spool.Report) string {
	switch {
	case a.Action == spool.RelayedAction:
		return "This is the last that you hear of it."
	case a.Action == spool.DelayedAction && !a.Until.IsZero():
		return "It is tried again until " + date(a.Until) + ". You need not do anything; if it is given up, you are told."
	case a.Action == spool.DelayedAction:
		return "It is tried again. You need not do anything; if it is given up, you are told."
	}
	return "Mend what the reason names and send the message again, or give the queue id to the administrator of " + r.Hostname +
		", who can have it sent as it is."
}

// wrap breaks a line between words.
func wrap(text, indent string) string {
	const width = 76
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
