package mimeconv

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"heyrelay/mimeconv/charset"
)

// maxURL bounds links, in octets. Browsers do not support longer URLs.
const maxURL = 8 << 10

// link is a URL or mail address in plain text.
type link struct {
	from, to int // its range in the text
	href     string
}

// findLinks appends the URLs, www. host names and mail addresses in a line, in order.
func findLinks(links []link, line string) []link {
	if !strings.Contains(line, "@") && !strings.Contains(line, "://") && charset.IndexFold(line, "www.") < 0 {
		return links
	}
	for from := 0; from < len(line); {
		to, marked := from, false
		for ; to < len(line) && !endsToken(line[to]); to++ {
			marked = marked || marksLink(line[to])
		}
		if marked && to-from <= maxURL {
			links = appendLinks(links, line[from:to], from)
		}
		from = to + 1
	}
	return links
}

// endsToken reports whether c ends any link.
func endsToken(c byte) bool { return c == ' ' || c == '\t' || c == '<' || c == '>' || c == '"' }

// marksLink reports whether c is one of the characters of which every link contains one.
func marksLink(c byte) bool { return c == '.' || c == ':' || c == '@' }

// appendLinks appends the links in a token at offset.
func appendLinks(links []link, token string, offset int) []link {
	done := 0 // all links up to here are found
	for pos := 0; pos < len(token); {
		end := urlAt(token, pos)
		if end == 0 {
			pos++
			continue
		}
		if before, _ := utf8.DecodeLastRuneInString(token[:pos]); isWord(before) {
			pos = end // the end of a longer word
			continue
		}
		links = appendAddresses(links, token[done:pos], offset+done)
		href := token[pos:end]
		if hasPrefixFold(href, "www.") {
			href = "http://" + href
		}
		links = append(links, link{offset + pos, offset + end, href})
		pos, done = end, end
	}
	return appendAddresses(links, token[done:], offset+done)
}

// urlAt returns the end of the URL that starts at pos, 0 if there is none.
func urlAt(s string, pos int) int {
	n := schemeLength(s[pos:])
	if n == 0 {
		return 0
	}
	end := urlEnd(s, pos+n)
	if end == pos+n {
		return 0
	}
	return end
}

// schemeLength returns the length of the scheme, or of "www.", at the start of s; 0 if s
// starts with neither. Only harmless schemes count; javascript: does not.
func schemeLength(s string) int {
	var schemes []string
	switch s[0] | 0x20 {
	case 'h':
		schemes = []string{"https://", "http://"}
	case 'w':
		schemes = []string{"www."}
	case 'm':
		schemes = []string{"mailto:"}
	case 'f':
		schemes = []string{"ftp://"}
	}
	for _, scheme := range schemes {
		if hasPrefixFold(s, scheme) {
			return len(scheme)
		}
	}
	return 0
}

// urlEnd returns the end of the URL whose scheme ends at pos, pos if nothing follows the
// scheme. A URL contains brackets in pairs only, and does not include punctuation at its end,
// which belongs to the sentence around it.
func urlEnd(s string, pos int) int {
	end := pos
	for pos < len(s) {
		class, n := urlClass(s[pos:])
		switch class {
		case noURL:
			return end
		case opensPair:
			n = pairLength(s[pos:], true)
			if n == 0 {
				return end
			}
			end = pos + n
		case endsURL:
			end = pos + n
		}
		pos += n
	}
	return end
}

// pairLength returns the length of the pair of brackets at the start of s including its
// content, 0 if it does not end as in a URL. A pair can contain pairs of its own kind, which
// contain no others.
func pairLength(s string, outer bool) int {
	open, closing := s[0], s[0]+2 // true of [] and {} in ASCII
	if open == '(' {
		closing = ')'
	}
	for i := 1; i < len(s); {
		class, n := urlClass(s[i:])
		switch {
		case s[i] == closing:
			return i + 1
		case s[i] == open && outer:
			n = pairLength(s[i:], false)
			if n == 0 {
				return 0
			}
		case class == noURL || class == opensPair:
			return 0
		}
		i += n
	}
	return 0
}

// The classes of characters in URLs (RFC 3987, section 2.2, plus the backslash that some
// programs write for a slash).
const (
	noURL     = iota // not in a URL
	inURL            // punctuation: in a URL, but not at its end
	endsURL          // anywhere in a URL
	opensPair        // an opening bracket
)

// urlClass returns the class and the length of the first character of s.
func urlClass(s string) (class, n int) {
	c := s[0]
	switch {
	case 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9':
		return endsURL, 1
	case c >= utf8.RuneSelf:
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r <= 0xa0, r == utf8.RuneError, unicode.IsSpace(r):
			return noURL, n
		case unicode.Is(unicode.Po, r):
			return inURL, n
		}
		return endsURL, n
	}
	switch c {
	case '/', '-', '_', '~', '#', '%', '$', '&', '+', '=':
		return endsURL, 1
	case '.', ',', ':', ';', '?', '!', '@', '\'', '*', '\\':
		return inURL, 1
	case '(', '[', '{':
		return opensPair, 1
	}
	return noURL, 1
}

// appendAddresses appends the mail addresses in text at offset.
func appendAddresses(links []link, text string, offset int) []link {
	for pos := 0; ; {
		at := strings.IndexByte(text[pos:], '@')
		if at < 0 {
			return links
		}
		at += pos
		from := pos + strings.LastIndexFunc(text[pos:at], isNoLocal) + 1
		if from > pos {
			// LastIndexFunc returned the first octet of the preceding rune.
			_, n := utf8.DecodeRuneInString(text[from-1:])
			from += n - 1
		}
		to := len(text)
		if n := strings.IndexFunc(text[at+1:], isNoDomain); n >= 0 {
			to = at + 1 + n
		}
		domain := strings.TrimRight(text[at+1:to], ".-")
		local := strings.TrimLeft(text[from:at], ".'")
		if local != "" && isDomain(domain) {
			address := local + "@" + domain
			links = append(links, link{offset + at - len(local), offset + at + 1 + len(domain), "mailto:" + address})
			pos = at + 1 + len(domain)
		} else {
			pos = at + 1
		}
	}
}

// isWord reports whether r is part of a word.
func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// isNoLocal reports whether r cannot be in a local part (RFC 5322, section 3.4.1, and RFC
// 6532).
func isNoLocal(r rune) bool { return !isWord(r) && !strings.ContainsRune("!#$%&'*+-./=?^_`{|}~", r) }

func isNoDomain(r rune) bool { return !isWord(r) && r != '.' && r != '-' }

// isDomain reports whether s is a host name with a top-level domain.
func isDomain(s string) bool {
	dot := strings.LastIndexByte(s, '.')
	return dot > 0 && len(s)-dot > 2 && !strings.HasPrefix(s, ".") && !strings.Contains(s, "..")
}
