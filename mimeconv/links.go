package mimeconv

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"heyrelay/mimeconv/charset"
)

// maxURL bounds what is made a link, in octets: no browser takes longer ones.
const maxURL = 8 << 10

// link is an address in plain text.
type link struct {
	from, to int // where it stands
	href     string
}

// findLinks appends the URLs, www. names and mail addresses in a line, in order.
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

// endsToken reports whether no link goes over c.
func endsToken(c byte) bool { return c == ' ' || c == '\t' || c == '<' || c == '>' || c == '"' }

// marksLink reports whether c is one of those that each link has one of.
func marksLink(c byte) bool { return c == '.' || c == ':' || c == '@' }

// appendLinks finds the links in a token, which stands at offset.
func appendLinks(links []link, token string, offset int) []link {
	done := 0 // up to here, all links are found
	for pos := 0; pos < len(token); {
		end := urlAt(token, pos)
		if end == 0 {
			pos++
			continue
		}
		if before, _ := utf8.DecodeLastRuneInString(token[:pos]); isWord(before) {
			pos = end // it is only the end of a longer word
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

// urlAt returns where the URL ends that begins at pos; 0 where none does.
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

// schemeLength is the length of what a URL that a reader may follow begins with, in
// plain text; 0 where s begins with nothing of the kind. Only schemes that do no
// harm are here: javascript: is none of them.
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

// urlEnd returns where the URL ends whose scheme ends at pos; it is pos where
// nothing follows. A URL goes over brackets only in pairs, and punctuation at its
// end belongs to the sentence in which it stands.
func urlEnd(s string, pos int) int {
	end := pos
	for pos < len(s) {
		class, n := urlClass(s[pos:])
		switch class {
		case noURL:
			return end
		case opensPair:
			if n = pairLength(s[pos:], true); n == 0 {
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

// pairLength is the length of the brackets at the beginning of s, with all that is
// in them; 0 where they do not end as in a URL. They can hold pairs of their own
// kind, but no more in those.
func pairLength(s string, outer bool) int {
	open, closing := s[0], s[0]+2 // as ASCII has it for [] and {}
	if open == '(' {
		closing = ')'
	}
	for i := 1; i < len(s); {
		class, n := urlClass(s[i:])
		switch {
		case s[i] == closing:
			return i + 1
		case s[i] == open && outer:
			if n = pairLength(s[i:], false); n == 0 {
				return 0
			}
		case class == noURL || class == opensPair:
			return 0
		}
		i += n
	}
	return 0
}

// What a character is to a URL (RFC 3987, section 2.2, and the backslash that some
// write for a slash).
const (
	noURL     = iota // a URL has none
	inURL            // punctuation: a URL does not end with it
	endsURL          // it may be the last
	opensPair        // a bracket
)

// urlClass says what the character is that s begins with, and its length.
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

// appendAddresses finds the mail addresses in text, which stands at offset.
func appendAddresses(links []link, text string, offset int) []link {
	for pos := 0; ; {
		at := strings.IndexByte(text[pos:], '@')
		if at < 0 {
			return links
		}
		at += pos
		from := pos + strings.LastIndexFunc(text[pos:at], isNoLocal) + 1
		if from > pos {
			// LastIndexFunc gave the first octet of the rune before.
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

// isWord reports whether r belongs to a word.
func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// isNoLocal reports whether r does not belong to a local part (RFC 5322, section
// 3.4.1, and RFC 6532; without what only plain text puts around an address).
func isNoLocal(r rune) bool { return !isWord(r) && !strings.ContainsRune("!#$%&'*+-./=?^_`{|}~", r) }

func isNoDomain(r rune) bool { return !isWord(r) && r != '.' && r != '-' }

// isDomain reports whether s is a host name with a top level.
func isDomain(s string) bool {
	dot := strings.LastIndexByte(s, '.')
	return dot > 0 && len(s)-dot > 2 && !strings.HasPrefix(s, ".") && !strings.Contains(s, "..")
}
