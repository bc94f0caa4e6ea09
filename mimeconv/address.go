package mimeconv

import "strings"

// parseAddresses parses an address list (RFC 5322, section 3.4) member by member, so that an
// invalid member does not affect the others. Common mistakes are read as a person would read
// them: commas in unquoted names, unclosed brackets, "mailto:", semicolons instead of commas.
// decode decodes display names.
func parseAddresses(list string, decode func(string) string) []Address {
	p := addressParser{list: list, decode: decode}
	p.parse()
	return p.addresses
}

// addressParser parses a list from left to right, in linear time.
type addressParser struct {
	list      string
	decode    func(string) string
	addresses []Address

	cur  member
	held []string // words without an address: "Doe" of "Doe, John <a@b>"

	noQuote, noComment bool // no quoted string or comment ends in the rest of the list
	noQuoteBefore      int  // offset in the list: what begins before it contains the end of another member
	decoded            bool // the list was in encoded words
}

// member is the member of the list that is being parsed.
type member struct {
	raw     []byte // as written, without comments
	name    []byte // the same without quotes
	comment string // the last comment
	angle   string // content of the angle brackets
	angled  bool   // it has angle brackets
	quoted  bool   // the name is in quotes
	hasAt   bool   // raw contains "@"
}

func (p *addressParser) parse() {
	for i := 0; i < len(p.list); {
		i = p.next(i)
	}
	p.endMember(0)
	p.endHeld()
}

// next parses the token at i and returns where the next token starts.
func (p *addressParser) next(i int) int {
	rest := p.list[i:]
	switch rest[0] {
	case '"':
		if n := p.quotedString(rest); n > 0 {
			p.cur.raw = append(p.cur.raw, rest[:n]...)
			p.cur.name = append(p.cur.name, unquote(rest[:n])...)
			p.cur.quoted = true
			p.cur.hasAt = p.cur.hasAt || strings.Contains(rest[:n], "@")
			return i + n
		}
	case '(':
		if n := p.commentEnd(rest); n > 0 {
			p.cur.comment = rest[1 : n-1]
			return i + n
		}
	case '[': // "[SMTP:a@b]", "[1.2.3.4]", "[IT, Berlin]"
		if n := strings.IndexAny(rest[1:], "[]<"); n >= 0 && rest[1+n] == ']' {
			p.literal(rest[:n+2])
			return i + n + 2
		}
	case '<':
		return i + p.angleAddress(rest)
	case ',':
		p.endMember(',')
		return i + 1
	case ';': // the end of a group, or Outlook's separator
		p.endMember(';')
		p.endHeld()
		return i + 1
	case ':':
		if p.isGroup() {
			p.cur = member{}
			p.held = nil
			return i + 1
		}
	}
	n := 1
	for n < len(rest) && !startsToken(rest[n]) {
		n++
	}
	p.literal(rest[:n])
	return i + n
}

// startsToken reports whether c can be the start of more than a word.
func startsToken(c byte) bool {
	switch c {
	case '"', '(', '[', '<', ',', ';', ':':
		return true
	}
	return false
}

func (p *addressParser) literal(s string) {
	p.cur.raw = append(p.cur.raw, s...)
	p.cur.name = append(p.cur.name, s...)
	p.cur.hasAt = p.cur.hasAt || strings.Contains(s, "@")
}

// quotedString returns the length of the quoted string at the start of s, the rest of the list. It is
// 0 if the string does not end or contains the end of another member.
func (p *addressParser) quotedString(s string) int {
	start := len(p.list) - len(s)
	if p.noQuote || start < p.noQuoteBefore {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			if end := strings.LastIndex(s[:i], ">,"); end >= 0 {
				p.noQuoteBefore = start + end // escaped quotes up to there would lead to the same end
				return 0
			}
			return i + 1
		}
	}
	p.noQuote = true
	return 0
}

// commentEnd returns the length of the comment at the start of s, 0 if it does not end.
// Comments nest (RFC 5322, section 3.2.2).
func (p *addressParser) commentEnd(s string) int {
	if p.noComment {
		return 0
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
	}
	p.noComment = true
	return 0
}

// isGroup reports whether the current colon ends the name of a group (RFC 5322, section
// 3.4) rather than a scheme.
func (p *addressParser) isGroup() bool {
	if p.cur.angled || p.cur.hasAt {
		return false
	}
	raw := strings.ToLower(strings.Trim(string(p.cur.raw), " \t'"))
	return raw != "mailto" && raw != "smtp"
}

// angleAddress parses an address in angle brackets, closed or not, and returns its length.
func (p *addressParser) angleAddress(s string) int {
	if p.cur.angled { // "Bob <a@b> <c@d>": the comma is missing
		p.endMember('<')
	}
	start := 1
	for start < len(s) && s[start] == '<' {
		start++
	}
	end := start
	var comments []int // their starts and ends
	for end < len(s) && s[end] != '>' && s[end] != '<' {
		if s[end] == '"' {
			if n := p.quotedString(s[end:]); n > 0 {
				end += n
				continue
			}
		}
		if s[end] == '(' {
			if n := p.commentEnd(s[end:]); n > 0 {
				comments = append(comments, end, end+n)
				end += n
				continue
			}
		}
		// An unclosed bracket ends with its member. A source route contains commas.
		if (s[end] == ',' || s[end] == ';') && s[start] != '@' {
			break
		}
		end++
	}
	p.cur.angle, p.cur.angled = without(s[:end], start, comments), true
	for end < len(s) && s[end] == '>' {
		end++
	}
	return end
}

// without returns s[start:] without the ranges of s that are given by their starts and ends.
func without(s string, start int, ranges []int) string {
	if len(ranges) == 0 {
		return s[start:]
	}
	var b strings.Builder
	for i := 0; i < len(ranges); i += 2 {
		b.WriteString(s[start:ranges[i]])
		start = ranges[i+1]
	}
	return b.String() + s[start:]
}

// endMember ends a member at a character, at 0 for the end of the list. If a comma ends it and it
// has no address, it may be the first part of a name that contains a comma.
func (p *addressParser) endMember(at byte) {
	m := p.cur
	p.cur = member{}
	name := strings.TrimSpace(string(m.name))
	switch raw := strings.TrimSpace(string(m.raw)); {
	case m.angled:
		if !m.quoted && len(p.held) > 0 {
			name = strings.Join(append(p.held, name), ", ")
			p.held = nil
		}
		p.endHeld()
		p.mailbox(name, m)
	case strings.Contains(raw, "@"):
		p.endHeld()
		p.bare(raw, m.comment)
	case raw == "" || m.quoted: // a phrase without an address
	case at == ',':
		p.held = append(p.held, name)
	default:
		p.endHeld()
		p.local(name)
	}
}

// endHeld ends the wait for an address: the held words are local names.
func (p *addressParser) endHeld() {
	held := p.held
	p.held = nil
	for _, name := range held {
		p.local(name)
	}
}

// mailbox adds `Name <addr>`.
func (p *addressParser) mailbox(name string, m member) {
	addr := cleanAddress(joinAtoms(m.angle, false))
	if addr == "" { // "a@b <>"
		if raw := string(m.raw); strings.Contains(raw, "@") {
			p.bare(raw, m.comment)
		}
		return
	}
	if name == "" {
		name = m.comment
	}
	p.add(name, addr)
}

// bare adds addresses without brackets, which may be separated by spaces only. The other
// words are their name.
func (p *addressParser) bare(raw, comment string) {
	var words, addrs []string
	for _, token := range quotedFields(joinAtoms(raw, true)) {
		if addr := cleanAddress(token); strings.Contains(addr, "@") {
			addrs = append(addrs, addr)
		} else {
			words = append(words, unquote(token))
		}
	}
	name := strings.Join(words, " ")
	if name == "" {
		name = comment
	}
	for _, addr := range addrs {
		p.add(name, addr)
		name = ""
	}
}

// local adds a name without a domain, such as root. An encoded word may contain a whole
// address.
func (p *addressParser) local(name string) {
	switch {
	case strings.Contains(name, "=?") && !p.decoded:
		inner := addressParser{list: p.decode(name), decode: p.decode, decoded: true}
		inner.parse()
		p.addresses = append(p.addresses, inner.addresses...)
	case name != "" && !strings.ContainsAny(name, " \t\"()<>[]:\\"):
		p.add("", name)
	}
}

// add decodes and adds an address.
func (p *addressParser) add(name, addr string) {
	name = p.decode(name)
	if n := len(name); n > 1 && name[0] == '\'' && name[n-1] == '\'' { // Outlook
		name = name[1 : n-1]
	}
	if strings.Count(name, `"`) == 1 { // an unclosed quote
		name = strings.Trim(name, `"`)
	}
	addr = p.decode(addr)
	if addr != "" {
		p.addresses = append(p.addresses, Address{Name: strings.Trim(name, " ,"), Addr: addr})
	}
}

// cleanAddress removes brackets, quotes around the whole address, a scheme and a source
// route (RFC 5322, section 4.4).
func cleanAddress(s string) string {
	s = strings.Trim(s, " \t<>,;")
	if inner, ok := strings.CutPrefix(s, "["); ok {
		s = strings.TrimSuffix(inner, "]")
	}
	s = strings.Trim(s, " \t'")
	for _, scheme := range []string{"mailto:", "smtp:"} {
		if hasPrefixFold(s, scheme) {
			s, _, _ = strings.Cut(s[len(scheme):], "?")
		}
	}
	if strings.HasPrefix(s, "@") {
		_, s, _ = strings.Cut(s, ":")
	}
	if inner := unquote(s); strings.HasSuffix(s, `"`) && strings.Contains(inner, "@") {
		s = inner
	}
	return trimRoot(strings.TrimSpace(s))
}

// trimRoot removes the dot that ends an absolute domain (RFC 1034, section 3.1).
func trimRoot(addr string) string {
	rest, ok := strings.CutSuffix(addr, ".")
	if at := strings.LastIndexByte(rest, '@'); ok && at >= 0 && at+1 < len(rest) && !strings.HasSuffix(rest, ".") {
		return rest
	}
	return addr
}

// joinAtoms removes white space around the at sign and the dots of an address (RFC 5322, section
// 4.4), but not in quotes. If words of a name may be in s, only white space before a dot shows
// that the dot is not the end of one.
func joinAtoms(s string, mayHaveName bool) string {
	if !strings.Contains(s, "@") || !strings.ContainsAny(s, " \t") {
		return s
	}
	b := make([]byte, 0, len(s))
	last, quoted, joined := byte(0), false, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		isSpace := c == ' ' || c == '\t'
		if quoted || !isSpace {
			if c == '"' && (last != '\\' || !quoted) {
				quoted = !quoted
			}
			joined = joined && c == '.'
			b = append(b, c)
			last = c
			continue
		}
		for i+1 < len(s) && (s[i+1] == ' ' || s[i+1] == '\t') {
			i++
		}
		next := byte(0)
		if i+1 < len(s) {
			next = s[i+1]
		}
		switch {
		case next == '@' || next == '.' || last == '@':
			joined = next == '.'
		case last == '.' && (joined || !mayHaveName):
		default:
			b = append(b, c)
			last = c
		}
	}
	return string(b)
}

// quotedFields splits s at white space outside quotes.
func quotedFields(s string) []string {
	var fields []string
	start, quoted := -1, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case (c == ' ' || c == '\t') && !quoted:
			if start >= 0 {
				fields = append(fields, s[start:i])
			}
			start = -1
			continue
		case c == '"':
			quoted = !quoted
		}
		if start < 0 {
			start = i
		}
	}
	if start >= 0 {
		fields = append(fields, s[start:])
	}
	return fields
}
