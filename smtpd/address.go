package smtpd

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Longest parts of an address in bytes (RFC 5321, sections 4.5.3.1.1 to 4.5.3.1.3).
const (
	maxLocalPart = 64
	maxDomain    = 255
	maxAddress   = 254 // a path is 256 with its brackets
)

// CheckAddress returns what is wrong with the address of a recipient, nil if it is valid. It
// is an allow-list: a dot-atom (RFC 5321, section 4.1.2) at a host name. Quoted local parts
// and address literals are refused, although SMTP has them: a comma, quote, white space or
// control character would inject recipients later, and Heymarket does not send to IP
// addresses. A domain may contain "_", as names of containers do.
//
// With smtpUTF8 (RFC 6531) a local part may contain letters, marks, digits and symbols of
// any script, and a domain U-labels (RFC 5890); without it an internationalized domain must
// be in A-labels.
//
// The error is meant for the client. It quotes at most one character of addr.
func CheckAddress(addr string, smtpUTF8 bool) error {
	at := strings.LastIndexByte(addr, '@')
	if at < 0 {
		return errors.New("the address has no domain")
	}
	if len(addr) > maxAddress {
		return fmt.Errorf("the address has %d bytes; the limit is %d", len(addr), maxAddress)
	}
	if err := checkLocalPart(addr[:at], smtpUTF8); err != nil {
		return err
	}
	return checkDomain(addr[at+1:], smtpUTF8)
}

func checkLocalPart(local string, smtpUTF8 bool) error {
	if len(local) > maxLocalPart {
		return fmt.Errorf("the local part has %d bytes; the limit is %d", len(local), maxLocalPart)
	}
	if err := checkScript(local, smtpUTF8); err != nil {
		return fmt.Errorf("the local part %w", err)
	}
	if _, word, found := strings.Cut(local, "=?"); found && strings.Contains(word, "?=") { // RFC 2047
		return errors.New("the local part contains an encoded word")
	}
	// Later normalization of an address must not produce a comma.
	for atom := range strings.SplitSeq(norm.NFKC.String(local), ".") {
		if atom == "" {
			return errors.New("the local part is empty, or has a dot at an end, or two dots in a row")
		}
		for _, r := range atom {
			if r < utf8.RuneSelf && !isAtext(byte(r)) {
				return fmt.Errorf("the local part contains %s", character(r))
			}
		}
	}
	return nil
}

// checkScript refuses what is not UTF-8, non-ASCII without SMTPUTF8, and non-ASCII
// punctuation, white space and invisible characters.
func checkScript(s string, smtpUTF8 bool) error {
	if !utf8.ValidString(s) {
		return errors.New("is not UTF-8")
	}
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
		case !smtpUTF8:
			return fmt.Errorf("contains %s, which requires SMTPUTF8", character(r))
		case !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.S):
			return fmt.Errorf("contains %s", character(r))
		}
	}
	return nil
}

// isAtext reports whether c may be part of an atom (RFC 5322, section 3.2.3).
func isAtext(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// character names r in ASCII.
func character(r rune) string { return fmt.Sprintf("the character %+q", r) }

func checkDomain(domain string, smtpUTF8 bool) error {
	if strings.HasPrefix(domain, "[") {
		return errors.New("the domain is an address literal, not a host name")
	}
	ascii := domain
	if !isASCII(domain) {
		if !smtpUTF8 {
			return errors.New("the domain is not ASCII, which requires SMTPUTF8")
		}
		// Registration allows no character that is mapped to another, except for case.
		registered, err := idna.Registration.ToASCII(strings.ToLower(domain))
		if err != nil {
			return errors.New("the domain is not a valid internationalized host name")
		}
		ascii = registered
	}
	if len(domain) > maxDomain || len(ascii) > maxDomain {
		return fmt.Errorf("the domain is longer than %d bytes", maxDomain)
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	return nil
}

// checkLabel requires letters, digits and inner hyphens, at most 63 (RFC 1123, section
// 2.1; RFC 1035, section 2.3.4).
func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("the domain is empty, or has a dot at an end, or two dots in a row")
	case len(label) > 63:
		return fmt.Errorf("the domain has a label of %d bytes; the limit is 63", len(label))
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("the domain has a label that starts or ends with a hyphen")
	}
	for _, r := range label {
		if r != '-' && r != '_' && !isAlphanumeric(byte(r)) {
			return fmt.Errorf("the domain contains %s", character(r))
		}
	}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
