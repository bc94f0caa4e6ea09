package smtpd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// rewrittenSender is what go-smtp reads in MAIL for a sender that it cannot parse. The real one
// is in conn.sender.
const rewrittenSender = "sender@rewritten.invalid"

// rewriteCommand makes a MAIL or RCPT readable for go-smtp, which refuses senders that are not
// addresses and parameters that mean nothing here. Other lines, and those that are not MAIL or
// RCPT at all, are unchanged.
func (c *conn) rewriteCommand() {
	c.sender = nil
	c.recipient = nil
	c.ambiguous = ""
	line := string(bytes.TrimSuffix(c.line, []byte("\n")))
	rewritten := line
	switch {
	case len(line) > 5 && c.verb == "MAIL":
		rewritten = attachColon(line, "FROM")
		if arg, ok := cutPrefixFold(strings.TrimSpace(rewritten[5:]), "FROM:"); ok {
			rewritten = c.rewriteMail(rewritten, strings.TrimSpace(arg))
		}
	case len(line) > 5 && c.verb == "RCPT":
		rewritten = attachColon(line, "TO")
		if arg, ok := cutPrefixFold(strings.TrimSpace(rewritten[5:]), "TO:"); ok {
			rewritten = c.rewriteRcpt(rewritten, strings.TrimSpace(arg))
		}
	}
	if rewritten == line {
		return
	}
	c.line = []byte(rewritten + "\n")
	c.log(Event{Debug: true, Reason: fmt.Sprintf("command line %q was rewritten as %q", line, rewritten)})
}

// attachColon removes white space between the keyword of MAIL or RCPT and its colon.
func attachColon(line, keyword string) string {
	rest, ok := cutPrefixFold(strings.TrimSpace(line[5:]), keyword)
	colon := strings.TrimLeft(rest, " \t")
	if !ok || colon == rest || !strings.HasPrefix(colon, ":") {
		return line
	}
	return line[:5] + keyword + colon
}

func cutPrefixFold(s, prefix string) (after string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// rewriteMail takes the sender as it is written. It chooses routes and receives reports, so
// that it need not be an address.
func (c *conn) rewriteMail(line, arg string) string {
	p := splitPath(arg)
	kept := keepParameters(p.parameters, c.setup.DSN, "AUTH", "RET", "ENVID")
	c.ambiguous = ambiguousParameter(kept)
	if !p.closed && (p.inside == "" || strings.ContainsAny(p.inside, "<>")) {
		return line
	}
	path := p.written
	if !p.simple() {
		c.sender = &p.address
		path = "<" + rewrittenSender + ">"
	}
	if path == p.written && len(kept) == len(strings.Fields(p.parameters)) {
		return line
	}
	return strings.Join(append([]string{"MAIL FROM:" + path}, kept...), " ")
}

// rewriteRcpt removes what surrounds an address, and adds a domain if there is none. The
// address itself is left to CheckAddress.
func (c *conn) rewriteRcpt(line, arg string) string {
	p := splitPath(arg)
	kept := keepParameters(p.parameters, c.setup.DSN, "NOTIFY", "ORCPT")
	c.ambiguous = ambiguousParameter(kept)
	path := p.written
	if before, _, bracketed := strings.Cut(p.written, "<"); bracketed && p.closed && !strings.Contains(before, "@") {
		path = "<" + p.inside + ">"
	}
	if c.setup.Alias != nil && p.address != "" && !strings.ContainsAny(p.address, "@<> \t") {
		path = "<" + p.address + "@localhost>" // go-smtp requires a domain
		c.recipient = &p.address
	}
	if path == p.written && len(kept) == len(strings.Fields(p.parameters)) {
		return line
	}
	return strings.Join(append([]string{"RCPT TO:" + path}, kept...), " ")
}

// path is the argument of MAIL or RCPT, taken apart.
type path struct {
	written    string // the path as written: display name, brackets and address
	inside     string // the brackets' content without surrounding white space, or else as written
	address    string // inside without a source route
	closed     bool   // by a bracket
	parameters string
}

// splitPath divides the argument of MAIL or RCPT. It accepts a display name before the brackets,
// white space within them, a missing closing bracket, and an address without brackets.
func splitPath(arg string) path {
	open := openingBracket(arg)
	if open < 0 {
		end := indexUnquoted(arg, func(s string) bool { return s[0] == ' ' || s[0] == '\t' })
		if end < 0 {
			end = len(arg)
		}
		return path{written: arg[:end], inside: arg[:end], address: arg[:end], parameters: arg[end:]}
	}
	p := path{}
	rest := arg[open+1:]
	if end := indexUnquoted(rest, func(s string) bool { return s[0] == '>' }); end >= 0 {
		p.closed = true
		p.inside = strings.TrimSpace(rest[openingBracket(rest[:end])+1 : end]) // of brackets within brackets
		p.parameters = strings.TrimLeft(rest[end:], ">")
		p.written = strings.TrimSuffix(arg, p.parameters)
	} else {
		rest = strings.TrimLeft(rest, " \t")
		end := strings.IndexAny(rest+" ", " \t")
		p.inside = rest[:end]
		p.parameters = rest[end:]
		p.written = strings.TrimSuffix(arg, p.parameters)
	}
	p.address = p.inside
	if strings.HasPrefix(p.inside, "@") { // RFC 5321, appendix F.2
		if _, address, ok := strings.Cut(p.inside, ":"); ok {
			p.address = address
		}
	}
	return p
}

// openingBracket returns the index of the bracket that opens the path, -1 if there is none.
// Brackets of a parameter follow an equals sign.
func openingBracket(arg string) int {
	previous := byte(0)
	return indexUnquoted(arg, func(s string) bool {
		found := s[0] == '<' && previous != '='
		previous = s[0]
		return found
	})
}

// indexUnquoted returns the first index outside quotes at which match returns true for the rest
// of s, -1 if there is none.
func indexUnquoted(s string, match func(rest string) bool) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && match(s[i:]):
			return i
		}
	}
	return -1
}

// simple reports whether go-smtp reads the address just as it is written.
func (p path) simple() bool {
	if p.written == "<>" {
		return true
	}
	if p.written != p.address && p.written != "<"+p.address+">" {
		return false
	}
	local, domain, ok := strings.Cut(p.address, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(local, "()<>[]:;\\,\" \t") &&
		!strings.ContainsAny(domain, " \t>")
}

// keepParameters returns the parameters without those that mean nothing here: AUTH always, and
// the others of the names unless DSN is offered.
func keepParameters(parameters string, dsn bool, names ...string) []string {
	var kept []string
	fields := strings.Fields(parameters)
	for len(fields) > 0 {
		name, value, _ := strings.Cut(fields[0], "=")
		n := 1
		switch ignored := containsFold(names, name); {
		case ignored && strings.EqualFold(name, "AUTH"):
			n += continuation(value, fields[1:])
		case ignored && !dsn:
		default:
			kept = append(kept, fields[0])
		}
		fields = fields[n:]
	}
	return kept
}

// ambiguousParameter returns the name of the first DSN parameter that is given twice with different values, ""
// if there is none. go-smtp would take the last value, as it may of SIZE and BODY, which the message shows.
func ambiguousParameter(parameters []string) string {
	values := make(map[string]string)
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		name = strings.ToUpper(name)
		if name == "SIZE" || name == "BODY" {
			continue
		}
		if earlier, again := values[name]; again && !strings.EqualFold(earlier, value) {
			return name
		}
		values[name] = value
	}
	return ""
}

func containsFold(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// continuation returns how many fields belong to a value of AUTH that contains white space, in
// quotes or in brackets.
func continuation(value string, fields []string) int {
	end := ""
	switch {
	case strings.Count(value, `"`)%2 == 1:
		end = `"`
	case strings.HasPrefix(value, "<") && !strings.Contains(value, ">"):
		end = ">"
	default:
		return 0
	}
	for i, f := range fields {
		if strings.Contains(f, end) {
			return i + 1
		}
	}
	return 0
}

// cleanSender returns the sender in valid UTF-8, and with a domain without a trailing dot: it
// is the same domain (RFC 1034, section 3.1). It fails if there are control characters.
func cleanSender(from string) (string, error) {
	if !utf8.ValidString(from) {
		from = latin1(from)
	}
	if strings.ContainsFunc(from, unicode.IsControl) {
		return "", errors.New("it contains a control character")
	}
	return trimDomainDot(from), nil
}

// trimDomainDot removes a trailing dot from the domain of an address.
func trimDomainDot(address string) string {
	short, dotted := strings.CutSuffix(address, ".")
	at := strings.LastIndexByte(short, '@')
	if !dotted || at < 0 || at == len(short)-1 || strings.HasSuffix(short, ".") {
		return address
	}
	return short
}

// latin1 decodes the octets of s that are not UTF-8 as ISO-8859-1.
func latin1(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			r = rune(s[0])
		}
		b.WriteRune(r)
		s = s[n:]
	}
	return b.String()
}
