package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync"
)

// sceneSmarthost is the address of the mail server of a scene.
const sceneSmarthost = "mail.example.com:25"

// postOffice is a mail server in simulated time.
type postOffice struct {
	mu     sync.Mutex
	down   bool
	rules  []postRule
	mailed []string
}

// postRule is how commands with a text are answered: by a code, or not at all.
type postRule struct{ code, text string }

// cutOff is the code of a rule that closes the connection instead of answering.
const cutOff = "cut"

// change does what a section of a case says, see TestCases.
func (p *postOffice) change(section string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code, text, _ := strings.Cut(section, " ")
	switch code {
	case "down":
		p.down = true
	case "up":
		p.down = false
		p.rules = nil
	default:
		p.rules = append(p.rules, postRule{code, text})
	}
}

// dial is Parts.Dial.
func (p *postOffice) dial(_ context.Context, _, address string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down || address != sceneSmarthost {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	go p.serve(textproto.NewConn(there))
	return here, nil
}

// serve serves one client until it leaves.
func (p *postOffice) serve(c *textproto.Conn) {
	defer c.Close()
	var from, to string
	for reply := p.answer("CONNECT", "220 "+sceneSmarthost); reply != cutOff; {
		err := c.PrintfLine("%s", reply)
		if err != nil {
			return
		}
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "EHLO":
			reply = p.answer(line, "250-"+sceneSmarthost+"\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 35000000")
		case "MAIL":
			from = rest
			reply = p.answer(line, "250 2.1.0 Ok")
		case "RCPT":
			to = rest
			reply = p.answer(line, "250 2.1.5 Ok")
		case "DATA":
			reply = p.data(c, from, to)
		default:
			reply = p.answer(line, "250 2.0.0 Ok")
		}
	}
}

// data takes a message. One that is cut off was delivered, and its sender does not know it.
func (p *postOffice) data(c *textproto.Conn, from, to string) string {
	reply := p.answer("DATA", "354 go on")
	if !strings.HasPrefix(reply, "354") {
		return reply
	}
	if err := c.PrintfLine("%s", reply); err != nil {
		return cutOff
	}
	content, err := io.ReadAll(c.DotReader()) // lines end with LF
	if err != nil {
		return cutOff
	}
	reply = p.answer(". "+to, "250 2.0.0 Ok: queued")
	if strings.HasPrefix(reply, "250") || reply == cutOff {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.mailed = append(p.mailed, from+" "+to+"\n"+string(content))
	}
	return reply
}

// answer is the reply to a command: the usual one, unless a rule has another.
func (p *postOffice) answer(command, usual string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rules {
		switch {
		case !strings.Contains(command, r.text):
		case r.code == cutOff:
			return cutOff
		default:
			return fmt.Sprintf("%s %c.7.0 the moon", r.code, r.code[0])
		}
	}
	return usual
}

// all returns what was mailed: the parameters of MAIL and RCPT, and the message behind our Received.
func (p *postOffice) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, m := range p.mailed {
		envelope, message, _ := strings.Cut(m, "\n")
		lines := strings.SplitAfter(message, "\n")
		if !strings.HasPrefix(message, "Received: from app ") {
			envelope += " without Received"
		}
		for n := range lines {
			if n > 0 && !strings.HasPrefix(lines[n], "\t") {
				lines = lines[n:]
				break
			}
		}
		all = append(all, envelope+"\n"+strings.Join(lines, ""))
	}
	slices.Sort(all)
	return strings.TrimSpace(strings.Join(all, "\n"))
}
