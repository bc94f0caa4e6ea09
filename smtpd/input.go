package smtpd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxCommand is the longest command line that is read, in bytes with its end. RFC 5321,
// section 4.5.3.1.4, requires 512, and more with extensions.
const maxCommand = 4 << 10

// Read gives go-smtp at most one command line, the end of DATA, or a piece of one BDAT chunk: a
// contentReader reads DATA. Every end of the connection is net.ErrClosed: go-smtp takes io.EOF
// inside a chunk for the end of the chunk.
func (c *conn) Read(p []byte) (int, error) {
	if c.awaited != nil { // also at the end: a Data that starts later finds no session
		<-c.awaited
		c.awaited = nil
	}
	if c.closed {
		return 0, net.ErrClosed
	}
	if len(c.line) == 0 && c.chunk > 0 {
		return c.readChunk(p)
	}
	if len(c.line) == 0 {
		if err := c.readCommand(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.line)
	c.line = c.line[n:]
	return n, nil
}

// readChunk returns a piece of a BDAT chunk.
func (c *conn) readChunk(p []byte) (int, error) {
	if len(c.unread) == 0 {
		if err := c.receiveInto(c.buf); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.unread[:min(int64(len(c.unread)), c.chunk)])
	c.unread = c.unread[n:]
	c.chunk -= int64(n)
	return n, nil
}

// readCommand reads the next line that go-smtp must process.
func (c *conn) readCommand() error {
	for {
		if err := c.readLine(); err != nil {
			return err
		}
		if c.saslLine { // RFC 4954, section 4
			c.saslLine = false
			return nil
		}
		yes, parameters := isStartTLS(c.line)
		if !yes || c.access().TLS == nil {
			break
		}
		c.line = nil
		if err := c.startTLS(parameters); err != nil {
			return err
		}
	}
	if err := c.takeSetup(); err != nil {
		return err
	}
	verb, _, _ := bytes.Cut(c.line, []byte(" "))
	c.verb = strings.ToUpper(string(bytes.TrimSuffix(verb, []byte("\n"))))
	c.rewriteCommand()
	size, ok := chunkSize(c.line)
	if !ok && isBDAT(c.line) { // what follows could be content or commands
		return c.end("501 5.5.4 Malformed BDAT command, closing connection")
	}
	c.chunk = size
	if ok && c.dataStarted != nil {
		c.awaited = c.dataStarted
		if c.dataDeadline.IsZero() {
			c.dataDeadline = time.Now().Add(c.setup.Limits.DataTotal)
		}
	}
	return nil
}

// readLine reads a whole line.
func (c *conn) readLine() error {
	end := bytes.IndexByte(c.unread, '\n')
	for end < 0 {
		if len(c.unread) >= len(c.buf) { // RFC 5321, section 4.5.3.1.9
			return c.end("500 5.5.2 Line too long")
		}
		if err := c.receiveInto(c.buf); err != nil {
			return err
		}
		end = bytes.IndexByte(c.unread, '\n')
		if c.sniffed || end < 0 && len(c.unread) < sniffLength {
			continue
		}
		c.sniffed = true
		if other := wrongProtocol(c.unread); other != "" {
			c.closed = true
			c.logMismatch(other)
			return net.ErrClosed
		}
	}
	// RFC 5321, section 4.1.1: white space before the line end is tolerated.
	c.line = append(bytes.TrimRight(c.unread[:end], " \t\r"), '\n')
	c.unread = c.unread[end+1:]
	return nil
}

// chunkSize returns how many bytes of content follow a command line; ok reports whether it
// is a well-formed BDAT (RFC 3030, section 2). It must parse BDAT as go-smtp does: a chunk
// follows a refused BDAT too.
func chunkSize(line []byte) (size int64, ok bool) {
	verb, parameters, _ := bytes.Cut(line, []byte(" "))
	f := bytes.Fields(parameters)
	switch {
	case !bytes.EqualFold(verb, []byte("BDAT")) || len(f) < 1 || len(f) > 2:
		return 0, false
	case len(f) == 2 && !bytes.EqualFold(f[1], []byte("LAST")):
		return 0, false
	}
	n, err := strconv.ParseUint(string(f[0]), 10, 32)
	if err != nil {
		return 0, false
	}
	return int64(n), true
}

// isBDAT reports whether a command line starts like a BDAT.
func isBDAT(line []byte) bool {
	return len(line) >= 4 && bytes.EqualFold(line[:4], []byte("BDAT"))
}

// receiveInto moves unread to the beginning of p, which must be larger, waits for data from the
// client, and adds it.
func (c *conn) receiveInto(p []byte) error {
	had := copy(p, c.unread)
	n, err := c.readSocket(p[had:])
	if n == 0 {
		return c.readFailed(err)
	}
	c.unread = p[:had+n]
	c.confirm()
	return nil
}

// readSocket reads from the socket until the current deadline.
func (c *conn) readSocket(p []byte) (int, error) {
	deadline := c.commandDeadline
	switch {
	case !c.dataDeadline.IsZero():
		deadline = c.dataDeadline
		if idle := time.Now().Add(c.setup.Limits.DataIdle); idle.Before(deadline) {
			deadline = idle
		}
	case c.queueID == "" && c.user == "" && c.idleDeadline.Before(deadline):
		deadline = c.idleDeadline
	}
	c.mu.Lock()
	err := os.ErrDeadlineExceeded
	if !c.stopping() {
		err = c.socket.SetReadDeadline(deadline)
	}
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return c.socket.Read(p)
}

// readFailed ends the connection. No command follows a message that was cut short, and
// such a message is never complete.
func (c *conn) readFailed(err error) error {
	c.mu.Lock()
	stopping := c.stopping()
	c.mu.Unlock()
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		c.closed = true
		c.discarded = errors.Is(err, syscall.ECONNRESET) && !c.client.IsValid()
		if !c.dataDeadline.IsZero() {
			c.log(Event{Lost: true, Reason: "client disconnected during message transfer", Err: err})
		}
		return net.ErrClosed
	case stopping: // RFC 5321, section 3.8
		return c.end("421 4.3.2 " + c.setup.Hostname + " is shutting down, try again later")
	default: // RFC 5321, section 4.5.3.2
		return c.end("421 4.4.2 " + c.setup.Hostname + " timeout exceeded, closing connection")
	}
}

// end writes the last reply to the client. It returns net.ErrClosed.
func (c *conn) end(reply string) error {
	if len(c.unconfirmed) > 0 { // afterwards this reply counts too
		if known, all := c.acknowledged(); known && all {
			c.confirm()
		}
	}
	_, _ = fmt.Fprintf(c, "%s\r\n", reply)
	c.closed = true
	return net.ErrClosed
}

// confirm calls Reply.Confirmed of the replies that the client has received.
func (c *conn) confirm() {
	callbacks := c.unconfirmed
	c.unconfirmed = nil
	for _, f := range callbacks {
		c.callback("Confirmed", f)
	}
}

// callback calls a function of a Reply. A panic there must not end the process: go-smtp
// reads commands outside of any recover.
func (c *conn) callback(name string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.log(Event{Reason: "panic in Reply." + name, Err: panicError(v)})
		}
	}()
	f()
}

// logMismatch logs that the connection was closed because of the protocol that a client sent.
func (c *conn) logMismatch(sent string) {
	reason := fmt.Sprintf("connection closed: client sent %s, but %s expects %s", sent, c.access().Name, c.expected())
	c.log(Event{Closed: true, Reason: reason})
}

// expected names the protocol that a client is expected to start with.
func (c *conn) expected() string {
	if c.encrypted {
		return "SMTP"
	}
	return "plaintext SMTP"
}

// sniffLength is how many bytes wrongProtocol needs.
const sniffLength = len("OPTIONS ")

// wrongProtocol names the protocol of a client that starts with these bytes, "" for SMTP. A
// browser can be made to send a form whose lines are SMTP commands.
func wrongProtocol(start []byte) string {
	if bytes.HasPrefix(start, []byte{0x16, 0x03}) { // RFC 8446, section 5.1: a handshake record
		return "TLS"
	}
	methods := []string{
		"GET ", "HEAD ", "POST ", "PUT ", "OPTIONS ", "CONNECT ", "DELETE ", "PATCH ", "TRACE ", "PRI * ",
	}
	for _, method := range methods {
		if bytes.HasPrefix(start, []byte(method)) {
			return "HTTP"
		}
	}
	return ""
}
