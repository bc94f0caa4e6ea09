package sendmail

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-message/textproto"
	"github.com/emersion/go-smtp"

	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// message is what is submitted to the relay.
type message struct {
	sender     string // empty: the null sender
	rcpt       []string
	text       []byte
	notify     []smtp.DSNNotify
	ret        smtp.DSNReturn
	envelopeID string
}

// readMessage reads a message, repairs its line endings as the relay does and ends its lines with
// LF. A line with a single dot ends the message, unless dots is set. A byte order mark at its
// beginning is dropped.
func readMessage(r io.Reader, dots bool) (string, error) {
	var raw []byte
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if !dots && isDot(string(line)) { // nothing may follow on a terminal
			break
		}
		raw = append(raw, line...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	text := strings.ReplaceAll(string(smtpd.RepairLineEndings(raw)), "\r\n", "\n")
	if !dots {
		text = cutAtDot(text)
	}
	return strings.TrimPrefix(text, "\ufeff"), nil
}

// isDot reports whether a line is a single dot.
func isDot(line string) bool { return strings.TrimRight(line, "\r\n") == "." }

// cutAtDot returns text up to a line with a single dot, which only CRs may have ended.
func cutAtDot(text string) string {
	end := 0
	for line := range strings.Lines(text) {
		if isDot(line) {
			break
		}
		end += len(line)
	}
	return text[:end]
}

// compose makes a complete message of what a program wrote: with a sender,
// recipients, a Date and a Message-ID, and without Bcc.
func (s *submission) compose(text string) (*message, error) {
	header, body := split(text)
	parsed, err := mimeconv.ReadHeader([]byte(header + "\n"))
	if err != nil {
		return nil, failure{exDataErr, err}
	}
	if err := checkHidden(text, parsed); err != nil {
		return nil, failure{exDataErr, err}
	}
	host := domain()
	local := qualify("localhost") // the relay's aliases decide where local mail goes
	own := qualify(host)
	m := &message{notify: s.notify, ret: s.ret, envelopeID: s.envelopeID}
	for _, to := range s.rcpt {
		m.rcpt = append(m.rcpt, local(to))
	}
	if s.fromHeader {
		for _, a := range recipients(parsed) {
			m.rcpt = append(m.rcpt, local(a.Addr))
		}
	}
	switch {
	case len(m.rcpt) > 0:
	case s.fromHeader:
		return nil, failure{exUsage, errors.New("no recipient: To, Cc and Bcc of the message have no address")}
	default:
		return nil, failure{exUsage, errors.New("no recipient: name one, or add -t if the message has To, Cc or Bcc")}
	}
	login, name := account()
	if s.name != "" {
		name = s.name
	}
	m.sender = own(login)
	if s.sender != nil {
		m.sender = own(*s.sender)
	}
	from := &mail.Address{Name: name, Address: m.sender}
	if m.sender == "" {
		from = &mail.Address{Address: "MAILER-DAEMON@" + host}
	}
	m.text, err = complete(header, parsed, from, host, local)
	m.text = append(m.text, strings.ReplaceAll(body, "\n", "\r\n")...)
	return m, err
}

// checkHidden returns an error if the body would show fields that nobody may see, because a line that
// belongs to no field ended the header before them.
func checkHidden(text string, header mimeconv.Header) error {
	whole, err := mimeconv.ReadHeader([]byte(text))
	if err != nil {
		return err
	}
	if whole.Hidden == header.Hidden {
		return nil
	}
	return errors.New("a line that is no header field ends the header, and the body would show the Bcc or " +
		"X-Heymarket field there: correct that line, or put an empty line where the body begins")
}

// qualify returns a function that adds a domain to addresses without one.
func qualify(domain string) func(address string) string {
	return func(address string) string {
		if address == "" || strings.Contains(address, "@") {
			return address
		}
		return address + "@" + domain
	}
}

// recipients are those of the newest Resent block, if there is one (RFC 5322,
// section 3.6.6), otherwise those of To, Cc and Bcc.
func recipients(h mimeconv.Header) []mimeconv.Address {
	if len(h.Resent) > 0 {
		newest := h.Resent[0]
		return slices.Concat(newest.To, newest.Cc, newest.Bcc)
	}
	return slices.Concat(h.To, h.Cc, h.Bcc)
}

// split separates header and body. As sendmail does, it takes the first line that
// belongs to no field for the body's first, and skips a first line of mbox. go-message
// fails on such a line, and does not report where it is.
func split(text string) (header, body string) {
	if strings.HasPrefix(text, "From ") {
		_, text, _ = strings.Cut(text, "\n")
	}
	end := 0
	for line := range strings.Lines(text) {
		folded := end > 0 && (line[0] == ' ' || line[0] == '\t')
		switch {
		case line == "\n":
			return text[:end], text[end+1:]
		case !folded && !startsField(line):
			return text[:end], text[end:]
		}
		end += len(line)
	}
	return text, ""
}

// startsField reports whether a line begins with the name of a field (RFC 5322,
// sections 2.2 and 4.5.8).
func startsField(line string) bool {
	name, _, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	return ok && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

// complete writes the header, with a domain for local recipients and the fields that
// are missing, and without Bcc.
func complete(
	text string, parsed mimeconv.Header, from *mail.Address, host string, local func(string) string,
) ([]byte, error) {
	read, err := textproto.ReadHeader(bufio.NewReader(strings.NewReader(text + "\n")))
	if err != nil {
		return nil, failure{exDataErr, err}
	}
	var h mail.Header
	h.Header.Header = read
	h.Del("Bcc")
	h.Del("Resent-Bcc")
	setLocal(&h, "Cc", parsed.Cc, local)
	setLocal(&h, "To", parsed.To, local)
	if !h.Has("Message-ID") {
		if err := h.GenerateMessageIDWithHostname(host); err != nil {
			return nil, err
		}
	}
	if !h.Has("Date") {
		h.SetDate(time.Now())
	}
	if !h.Has("From") {
		h.SetAddressList("From", []*mail.Address{from})
	}
	var b bytes.Buffer
	if err := textproto.WriteHeader(&b, h.Header.Header); err != nil {
		return nil, failure{exDataErr, err}
	}
	return b.Bytes(), nil
}

// setLocal rewrites a field that has addresses without a domain.
func setLocal(h *mail.Header, name string, list []mimeconv.Address, local func(string) string) {
	var all []*mail.Address
	changed := false
	for _, a := range list {
		address := local(a.Addr)
		changed = changed || address != a.Addr
		all = append(all, &mail.Address{Name: a.Name, Address: address})
	}
	if changed {
		h.SetAddressList(name, all)
	}
}

// domain is the domain of senders without one: Debian's /etc/mailname, or the host.
func domain() string {
	if text, err := os.ReadFile("/etc/mailname"); err == nil {
		if name := strings.TrimSpace(string(text)); name != "" {
			return name
		}
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}

// account is the login name and the full name of the user.
func account() (login, name string) {
	u, err := user.Current()
	if err != nil {
		return "nobody", ""
	}
	name, _, _ = strings.Cut(u.Name, ",")
	login = u.Username[strings.LastIndexByte(u.Username, '\\')+1:] // Windows has a domain before it
	return login, name
}
