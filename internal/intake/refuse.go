package intake

import (
	"errors"
	"strings"

	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// Why a message is refused. The error that wraps one of these says for whom and
// what to do, and is told to the client.
var (
	errNoRoute   = errors.New("no route for this message")
	errNobody    = errors.New("no valid recipients")
	errRecipient = errors.New("recipient not allowed")
	errBlind     = errors.New("blind recipients are not allowed")
	errTooMany   = errors.New("too many visible recipients")
	errTooLarge  = errors.New("message too large for the API")
	errLoop      = errors.New("mail loop")
	errControl   = errors.New("header not understood")
)

// refusals is the one table from error to SMTP reply (RFC 5321, section 4.2;
// RFC 3463). Where inner is set the error's own text stays in the log.
var refusals = []struct {
	is       func(error) bool
	code     int
	enhanced string
	inner    string
}{
	{wraps(errNoRoute), 550, "5.7.1", ""},
	{wraps(errNobody), 554, "5.1.3", ""},
	{wraps(errRecipient), 550, "5.7.1", ""},
	{wraps(errBlind), 550, "5.7.1", ""},
	{wraps(errTooMany), 554, "5.5.3", ""},
	{wraps(errTooLarge), 552, "5.3.4", ""},
	{wraps(errLoop), 554, "5.4.6", ""},
	{wraps(errControl), 554, "5.6.0", ""},
	{wraps(spool.ErrConvo), 554, "5.6.0", control + "Convo-Id names a conversation of other participants or of another inbox"},
	{wraps(spool.ErrKey), 554, "5.6.0", control + "Idempotency-Key was given to a message with other recipients, title or body; give each message its own"},
	{conversion(mimeconv.ErrTooLarge), 552, "5.3.4", ""},
	{conversion(), 554, "5.6.0", ""},
	{wraps(spool.ErrFull), 452, "4.3.1", "Insufficient system storage"},
	{wraps(spool.ErrReadOnly), 452, "4.3.1", "Insufficient system storage"},
	{wraps(spool.ErrClosed), 421, "4.3.2", "Shutting down, try again later"},
}

func wraps(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// conversion matches errors of mimeconv of the kinds given, or of any.
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

// refuse is what the client is told about err. What is not in the table is ours
// to mend: it is temporary, and its cause stays inside.
func refuse(queueID string, err error) smtpd.Reply {
	for _, r := range refusals {
		if r.is(err) {
			text := r.inner
			if text == "" {
				text = strings.Join(strings.Fields(err.Error()), " ")
			}
			return smtpd.Reply{Code: r.code, Enhanced: r.enhanced, Text: text + " (" + queueID + ")"}
		}
	}
	return smtpd.Reply{Code: 451, Enhanced: "4.3.0", Text: "Internal trouble, try again later; ask the administrator for " + queueID}
}
