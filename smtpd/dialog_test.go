package smtpd

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt with the replies that were received")

// TestDialogs plays testdata/*.txt over a loopback connection. A file contains one
// dialogue, or several that are separated by blank lines. The first line of a dialogue
// describes what it shows; each other line is one of
//
//	O: size 100        the server's limit; also recipients 2, bare_lf refuse, allow 10.0.0.0/8
//	O: user bob sesame *@app.test    a user, the password, and as what sender it may send
//	O: client 10.0.0.1    the address of the client
//	O: tls starttls    TLS on the listener; also tls implicit
//	O: dsn             DSN is offered
//	O: alias root a@b  mail to root goes to a@b; no other local recipient is known
//	O: reply 554 5.6.0 no    the Handler's reply; also: reply panic
//	C: EHLO app.test   the client sends a line; <eof> half-closes, <close> closes
//	C: <tls>           the client makes a TLS handshake; <tls failed> if it fails
//	R: "a\nb"          the client sends exactly this; R*3: "x" sends it three times
//	S: 250 2.0.0 Ok    the server's next line; the last one is <closed>
//	S: <ehlo>          a complete reply to EHLO, whatever it offers: 128-ehlo.txt states that
//	M: Q1 <a@b> -> <c@d>     a message that the Handler got, with SMTPUTF8 if declared
//	D: "…"             its content
//	L: 550 5.7.1 …     a line of the log; L: debug … one of level debug
func TestDialogs(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 120 {
		t.Fatalf("%d dialogs: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playAll(t, string(want))
			if got == string(want) {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Errorf("%s: %s", file, difference(got, string(want)))
		})
	}
}

// difference returns the first line that differs.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d; the rest:\n%s", len(g), len(w), strings.Join(g[min(len(g), len(w)):], "\n"))
}

// playAll runs the dialogues of a file.
func playAll(t *testing.T, file string) string {
	var got []string
	for script := range strings.SplitSeq(file, "\n\n") {
		got = append(got, strings.TrimSuffix(play(t, script), "\n"))
	}
	return strings.Join(got, "\n\n") + "\n"
}

// play runs a dialogue and returns it as it went.
func play(t *testing.T, script string) string {
	lines := strings.Split(strings.TrimSuffix(script, "\n"), "\n")
	if !strings.HasPrefix(lines[0], "# ") || !slices.Contains(lines, "S: <closed>") {
		t.Fatal("a dialogue must start with a description and end with S: <closed>")
	}
	h := setUp(t, lines)
	c := h.dial(t)
	var got []string
	astray := false // a wrong reply makes the rest meaningless
	for i, line := range lines {
		kind, rest, _ := strings.Cut(line, ": ")
		switch {
		case kind == "M" || kind == "D" || kind == "L":
			continue
		case kind == "S" && !astray:
			if rest == "<ehlo>" {
				line = "S: " + c.ehlo()
			} else {
				line = "S: " + c.line()
			}
			astray = line != lines[i] && !*update
		case astray:
		case kind == "C" && rest == "<close>":
			_ = c.Close()
		case kind == "C" && strings.HasPrefix(rest, "<tls"):
			line = "C: <tls>"
			if !c.encrypt() {
				line = "C: <tls failed>"
			}
			astray = line != lines[i] && !*update
		case kind == "C" && rest == "<eof>":
			_ = c.Conn.(*net.TCPConn).CloseWrite()
		case kind == "C":
			c.send(rest + "\r\n")
		case strings.HasPrefix(kind, "R"):
			c.send(unquoted(t, kind, rest))
		}
		got = append(got, line)
	}
	_ = c.Close()
	h.stop(t)
	return strings.Join(append(got, h.outcome()...), "\n") + "\n"
}

// ehlo reads a reply to EHLO and returns "<ehlo>", or the line that does not belong to one.
func (c *client) ehlo() string {
	line := c.line()
	if !strings.HasPrefix(line, "250-relay.test Hello ") {
		return line
	}
	for strings.HasPrefix(line, "250-") {
		line = c.line()
	}
	if strings.HasPrefix(line, "250 ") {
		return "<ehlo>"
	}
	return line
}

// send is put for a connection that the server may already have closed.
func (c *client) send(s string) { _, _ = io.WriteString(c.Conn, s) }

// unquoted parses an R line.
func unquoted(t testing.TB, kind, quoted string) string {
	s, err := strconv.Unquote(quoted)
	if err != nil {
		t.Fatalf("R: %s: %v", quoted, err)
	}
	n := 1
	if _, times, ok := strings.Cut(kind, "*"); ok {
		n, err = strconv.Atoi(times)
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.Repeat(s, n)
}

// setUp starts a server as the O lines say.
func setUp(t *testing.T, lines []string) *house {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var s Settings
	a := Access{Name: "listeners[0]", Allow: loopback}
	handler := &recorder{}
	var client netip.Addr
	for _, line := range lines {
		option, ok := strings.CutPrefix(line, "O: ")
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(option, " ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "size":
			s.Limits.MessageSize = n
		case "recipients":
			s.Limits.Recipients = int(n)
		case "bare_lf":
			s.BareLF = Refuse
		case "allow":
			a.Allow = []netip.Prefix{netip.MustParsePrefix(value)}
		case "user":
			s.Users = append(s.Users, testUser(t, value))
		case "client":
			client = netip.MustParseAddr(value)
		case "errors":
			s.Limits.Errors = int(n)
		case "messages_per_minute":
			s.Limits.MessagesPerMinute = int(n)
		case "recipients_per_minute":
			s.Limits.RecipientsPerMinute = int(n)
		case "auth_failures":
			s.Limits.AuthFailures = int(n)
		case "tls":
			a.TLS, a.Implicit = tlsConfig(t), value == "implicit"
		case "dsn":
			s.DSN = true
		case "alias":
			name, to, _ := strings.Cut(value, " ")
			s.Alias = func(recipient string) (string, bool) {
				local, ok := strings.CutSuffix(strings.ToLower(recipient), "@localhost")
				if ok && local == name {
					return to, true
				}
				return recipient, !ok
			}
		case "reply":
			handler.reply = func(context.Context, *Envelope) Reply { return scripted(value) }
		default:
			t.Fatalf("unknown option %q", key)
		}
	}
	if client.IsValid() {
		socket = elsewhere{socket, client}
	}
	return openOn(t, socket, a, s, handler)
}

// elsewhere is a listener whose clients have another address.
type elsewhere struct {
	net.Listener
	client netip.Addr
}

func (e elsewhere) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	return remote{c, e.client}, err
}

type remote struct {
	net.Conn
	client netip.Addr
}

func (r remote) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.client, 1024))
}

// scripted parses a reply; "panic" panics.
func scripted(s string) Reply {
	if s == "panic" {
		panic("secret inner words")
	}
	f := strings.SplitN(s, " ", 3)
	code, _ := strconv.Atoi(f[0])
	text, err := strconv.Unquote(`"` + f[2] + `"`)
	if err != nil {
		panic(err)
	}
	return Reply{Code: code, Enhanced: f[1], Text: text}
}

// outcome returns what the Handler got and what was logged, as M, D and L lines.
func (h *house) outcome() []string {
	var out []string
	for _, m := range h.messages() {
		line := fmt.Sprintf("M: %s <%s> ->", m.QueueID, m.From)
		for i, to := range m.Rcpt {
			line += " <" + to + ">"
			if d := m.DSN[i]; d.Notify != nil || d.Original != "" {
				line += fmt.Sprintf(" %v %q", d.Notify, d.Original)
			}
		}
		if m.EnvelopeID != "" || m.Return != "" {
			line += fmt.Sprintf(" RET=%s ENVID=%q", m.Return, m.EnvelopeID)
		}
		if m.UTF8 {
			line += " SMTPUTF8"
		}
		if m.User != "" {
			line += " by " + m.User
		}
		content := strconv.QuoteToASCII(m.raw)
		if len(content) > 2000 {
			content = fmt.Sprintf("%d bytes", len(m.raw))
		}
		out = append(out, line, "D: "+content)
	}
	for _, e := range h.all() {
		line := strings.Join(strings.Fields(fmt.Sprintf("L: %d %s %s", e.Code, e.Enhanced, e.Reason)), " ")
		if e.Debug {
			line = "L: debug " + e.Reason
		}
		if e.Lost {
			line = "L: lost " + e.Reason
		}
		if e.Err != nil {
			cause, _, _ := bytes.Cut([]byte(e.Err.Error()), []byte("\n"))
			line += " (" + string(cause) + ")"
		}
		out = append(out, line)
	}
	return out
}
