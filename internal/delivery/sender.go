package delivery

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// A local part is a dot-atom, also with dots at its ends or two in a row, as some providers issue
// them, or a quoted string (RFC 5321, section 4.1.2).
var (
	dotAtom      = regexp.MustCompile("^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\u0080-\U0010FFFF-]+$")
	quotedString = regexp.MustCompile(`^"([^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"$`)
	hostName     = regexp.MustCompile("^[A-Za-z0-9._\u0080-\U0010FFFF-]+$")
	literal      = regexp.MustCompile(`^\[[A-Za-z0-9.:-]+\]$`)
)

// canReceive reports whether a report can be sent to an envelope sender. The relay takes senders
// as they are written: devices call themselves "root" or "ESP-CAM". The null sender receives
// none: that is a report itself (RFC 5321, section 4.5.5).
func canReceive(sender string) bool {
	at := strings.LastIndexByte(sender, '@')
	if at < 0 || len(sender) > 254 || !utf8.ValidString(sender) {
		return false
	}
	local, domain := sender[:at], sender[at+1:]
	return (dotAtom.MatchString(local) || quotedString.MatchString(local)) &&
		(hostName.MatchString(domain) || literal.MatchString(domain))
}
