package mimeconv

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"mvdan.cc/xurls/v2"
)

// maxURL bounds what is made a link, in octets: no browser takes longer ones,
// and a pattern need not run over a megabyte without a space.
const maxURL = 8 << 10

// urlPattern matches the addresses that a reader may follow. Only schemes that
// do no harm are here: javascript: is none of them.
var urlPattern = sync.OnceValue(func() *regexp.Regexp {
	re, err := xurls.StrictMatchingScheme(`https?://|ftp://|mailto:|www\.`)
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return re
})

// link is an address in plain text.
type link struct {
	from, to int // where it stands
	href     string
}

// findLinks finds URLs, www. names and mail addresses in a line, in order.
func findLinks(line string) []link {
	if !strings.Contains(line, "@") && !strings.Contains(line, "://") && indexFold(line, "www.") < 0 {
		return nil
	}
	var links []link
	for from := 0; from < len(line); {
		token := line[from:]
		if n := strings.IndexAny(token, " \t<>\""); n >= 0 {
			token = token[:n]
		}
		if len(token) <= maxURL {
			links = appendLinks(links, token, from)
		}
		from += len(token) + 1
	}
	return links
}

// appendLinks finds the links in a token, which stands at offset.
func appendLinks(links []link, token string, offset int) []link {
	pos := 0
	if strings.Contains(token, "://") || indexFold(token, "mailto:") >= 0 || indexFold(token, "www.") >= 0 {
		for _, m := range urlPattern().FindAllStringIndex(token, -1) {
			if before, _ := utf8.DecodeLastRuneInString(token[:m[0]]); isWord(before) {
				continue
			}
			links = appendAddresses(links, token[pos:m[0]], offset+pos)
			href := token[m[0]:m[1]]
			if strings.EqualFold(href[:4], "www.") {
				href = "http://" + href
			}
			links = append(links, link{offset + m[0], offset + m[1], href})
			pos = m[1]
		}
	}
	return appendAddresses(links, token[pos:], offset+pos)
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

// isWord reports whether a URL that follows r is only the end of a longer word.
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
