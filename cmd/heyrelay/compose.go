package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/google/uuid"

	"heyrelay/mimeconv"
)

// composed is a message as it is handed to the relay.
type composed struct {
	sender string
	rcpt   []string
	text   []byte
}

// readMessage reads a message. A line with a dot alone ends it, unless dots.
func readMessage(r io.Reader, dots bool) (string, error) {
	var text strings.Builder
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if !dots && strings.TrimRight(line, "\r\n") == "." {
			break
		}
		text.WriteString(line)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	return strings.ReplaceAll(text.String(), "\r\n", "\n"), nil
}

// compose makes of what a program has written what a relay wants: with a sender,
// recipients, a Date and a Message-ID, and without Bcc.
func (s *submission) compose(text string) (*composed, error) {
	header, body := splitHeader(text)
	host := domain()
	local := qualify("localhost") // the relay's aliases decide where local mail goes
	own := qualify(host)
	parsed, err := mimeconv.ReadHeader([]byte(strings.Join(header, "") + "\n"))
	if err != nil {
		return nil, coded{exDataErr, err}
	}
	m := &composed{}
	for _, to := range s.rcpt {
		m.rcpt = append(m.rcpt, local(strings.Trim(to, "<>")))
	}
	if s.fromHeader {
		for _, a := range named(parsed) {
			m.rcpt = append(m.rcpt, local(a.Addr))
		}
	}
	if len(m.rcpt) == 0 {
		return nil, coded{exUsage, errors.New("there is no recipient: name one, or add -t where the message has To, Cc or Bcc")}
	}
	login, name := account()
	if s.name != "" {
		name = s.name
	}
	m.sender = own(login)
	if s.sender != nil {
		m.sender = own(*s.sender)
	}
	m.text = []byte(complete(header, parsed, m.sender, name, host, local) + "\n" + body)
	return m, nil
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

// named are the recipients that a header has: those of the newest Resent block, if
// there is one (RFC 5322, section 3.6.6).
func named(h mimeconv.Header) []mimeconv.Address {
	if len(h.Resent) > 0 {
		return append(append([]mimeconv.Address{}, h.Resent[0].To...), h.Resent[0].Cc...)
	}
	return append(append(append([]mimeconv.Address{}, h.To...), h.Cc...), h.Bcc...)
}

// splitHeader gives the header's fields, each with its line ends, and the body. What
// does not begin with a field is all body.
func splitHeader(text string) (fields []string, body string) {
	for first := true; text != ""; first = false {
		end := strings.IndexByte(text, '\n') + 1
		if end == 0 {
			end = len(text)
		}
		line := text[:end]
		switch {
		case first && strings.HasPrefix(line, "From "): // mbox
		case line == "\n":
			return fields, text[end:]
		case (line[0] == ' ' || line[0] == '\t') && len(fields) > 0:
			fields[len(fields)-1] += line
		case fieldOf(line) == "":
			return fields, text
		default:
			fields = append(fields, strings.TrimSuffix(line, "\n")+"\n")
		}
		text = text[end:]
	}
	return fields, ""
}

// fieldOf is the name of the field that begins with line, in lower case; "" for none
// (RFC 5322, section 2.2).
func fieldOf(line string) string {
	name, _, ok := strings.Cut(line, ":")
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return strings.ToLower(name)
}

// complete writes the header: bare names get a domain, Bcc goes, and what has to be
// there and is not is added.
func complete(fields []string, h mimeconv.Header, sender, name, host string, full func(string) string) string {
	var b strings.Builder
	has := map[string]bool{}
	for _, f := range fields {
		key := fieldOf(f)
		switch again := has[key]; {
		case key == "bcc" || key == "resent-bcc":
			continue
		case key == "to" && bare(h.To):
			if !again {
				b.WriteString("To: " + written(h.To, full) + "\n")
			}
		case key == "cc" && bare(h.Cc):
			if !again {
				b.WriteString("Cc: " + written(h.Cc, full) + "\n")
			}
		default:
			b.WriteString(f)
		}
		has[key] = true
	}
	if !has["from"] {
		from := mail.Address{Name: name, Address: sender}
		if sender == "" {
			from = mail.Address{Address: "MAILER-DAEMON@" + host}
		}
		b.WriteString("From: " + from.String() + "\n")
	}
	if !has["date"] {
		b.WriteString("Date: " + time.Now().Format(time.RFC1123Z) + "\n")
	}
	if !has["message-id"] {
		fmt.Fprintf(&b, "Message-ID: <%s@%s>\n", uuid.NewString(), host)
	}
	return b.String()
}

// bare says whether one of the addresses is a local name.
func bare(list []mimeconv.Address) bool {
	for _, a := range list {
		if !strings.Contains(a.Addr, "@") {
			return true
		}
	}
	return false
}

// written is an address list as a field has it.
func written(list []mimeconv.Address, full func(string) string) string {
	var all []string
	for _, a := range list {
		all = append(all, (&mail.Address{Name: a.Name, Address: full(a.Addr)}).String())
	}
	return strings.Join(all, ",\n\t")
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

// account is who runs the program: the login name, and the name in words.
func account() (login, name string) {
	u, err := user.Current()
	if err != nil {
		return "nobody", ""
	}
	name, _, _ = strings.Cut(u.Name, ",")
	return u.Username, name
}
