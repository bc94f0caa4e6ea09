package sandbox

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkAddress accepts a dot-atom, an at sign and a host name (RFC 5322, section
// 3.4.1, without quoted strings and literals), with UTF-8 as in RFC 6532.
func checkAddress(address string) error {
	local, domain, ok := strings.Cut(address, "@")
	if !ok {
		return errors.New("no at sign")
	}
	if len(local) > 64 || len(domain) > 255 { // RFC 5321, section 4.5.3.1
		return errors.New("too long")
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtext) {
			return errors.New("the local part is not a dot-atom")
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notLabel) {
			return errors.New("the domain is not a host name")
		}
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return errors.New("the domain is not a host name")
		}
	}
	return nil
}

func notAtext(r rune) bool {
	return !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) && notWord(r) && (r < utf8.RuneSelf || !unicode.IsSymbol(r))
}

func notLabel(r rune) bool { return r != '-' && notWord(r) }

// notWord reports whether r is neither a letter, with its marks, nor a digit.
// Punctuation beyond ASCII is not allowed: some of it is a comma or an at sign to
// a program that folds widths.
func notWord(r rune) bool { return !unicode.In(r, unicode.L, unicode.M, unicode.Nd) }
