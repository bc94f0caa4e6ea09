package intake

import (
	"context"
	"errors"

	"heyrelay/internal/blob"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// Reasons to refuse a message. The error that wraps one of these adds the details
// and what to do, and is shown to the client.
var (
	errNoRoute   = errors.New("no route for this message")
	errNobody    = errors.New("no valid recipients")
	errLocal     = errors.New("local recipient without an alias")
	errRecipient = errors.New("recipient not allowed")
	errBlind     = errors.New("blind recipients not allowed")
	errTooMany   = errors.New("too many visible recipients")
	errCrowd     = errors.New("too many recipients")
	errTooLarge  = errors.New("message too large for the API")
	errLoop      = errors.New("mail loop")
	errControl   = errors.New("invalid header")
	errBareLF    = errors.New("bare CR or LF: lines must end in CR LF")
	errEndsEarly = errors.New("a line could end the message early at the next hop: it is a dot next to a NUL")
)

const (
	convoRefused = controlPrefix + "Convo-Id names a conversation with other participants or of another inbox"
	keyRefused   = controlPrefix + "Idempotency-Key was already used for a message with other recipients, " +
		"title or body; use a new key for each message"
	tooCostly    = "Converting the message takes too much memory (limits.in_flight)"
	noStorage    = "Insufficient system storage"
	noStore      = "Attachments cannot be stored at the moment, try again later"
	shuttingDown = "Shutting down, try again later"
)

// refusals maps errors to SMTP replies (RFC 5321, section 4.2; RFC 3463); the first
// that matches counts. If text is set the client gets it instead of the error's.
var refusals = []struct {
	matches  func(error) bool
	code     int
	enhanced string
	text     string
}{
	{wraps(errNoRoute), 550, "5.7.1", ""},
	{wraps(errNobody), 554, "5.1.3", ""},
	{wraps(errLocal), 550, "5.1.1", ""},
	{wraps(errRecipient), 550, "5.7.1", ""},
	{wraps(errBlind), 550, "5.7.1", ""},
	{wraps(errTooMany), 554, "5.5.3", ""},
	{wraps(errCrowd), 554, "5.5.3", ""},
	{wraps(errTooLarge), 552, "5.3.4", ""},
	{wraps(smtpd.ErrMessageMemory), 552, "5.3.4", tooCostly},
	{wraps(smtpd.ErrAccountMemory), 452, "4.7.1", "Too many of your messages in progress, try again later"},
	{wraps(smtpd.ErrMemory), 452, "4.3.1", "Too many messages in progress, try again later"},
	{wraps(errLoop), 554, "5.4.6", ""},
	{wraps(errControl), 554, "5.6.0", ""},
	{wraps(errFile), 554, "5.6.0", ""},
	{wraps(errBareLF), 554, "5.6.0", ""},
	{wraps(errEndsEarly), 554, "5.6.0", ""},
	{wraps(spool.ErrConvo), 554, "5.6.0", convoRefused},
	{wraps(spool.ErrKey), 554, "5.6.0", keyRefused},
	{conversion(mimeconv.ErrTooLarge), 552, "5.3.4", ""},
	{conversion(), 554, "5.6.0", ""},
	{wraps(spool.ErrFull), 452, "4.3.1", noStorage},
	{wraps(spool.ErrReadOnly), 452, "4.3.1", noStorage},
	{wraps(blob.ErrFull), 452, "4.3.1", noStorage},
	{wraps(spool.ErrClosed), 421, "4.3.2", shuttingDown},
	{wraps(context.Canceled), 421, "4.3.2", shuttingDown}, // smtpd cancels only on shutdown
	{wraps(errStore), 451, "4.3.0", noStore},
}

func wraps(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// conversion matches errors of mimeconv of the given kinds, or of any kind.
func conversion(kinds ...mimeconv.ErrorKind) func(error) bool {
	return func(err error) bool {
		var e *mimeconv.Error
		if !errors.As(err, &e) {
			return false
		}
		for _, k := range kinds {
			if e.Kind == k {
				return true
			}
		}
		return len(kinds) == 0
	}
}

// refusal returns the reply to a message that failed with err. An error that is not
// in the table is a fault on this side: the reply is temporary and does not show it.
func refusal(queueID string, err error) smtpd.Reply {
	for _, r := range refusals {
		if !r.matches(err) {
			continue
		}
		text := r.text
		if text == "" {
			text = oneLine(err.Error())
		}
		return smtpd.Reply{Code: r.code, Enhanced: r.enhanced, Text: text + " (" + queueID + ")"}
	}
	return smtpd.Reply{Code: 451, Enhanced: "4.3.0", Text: "Internal error, try again later (" + queueID + ")"}
}
