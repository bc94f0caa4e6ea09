package smtpd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxCommand is the longest command line that is read, in bytes with its end. RFC
// 5321, section 4.5.3.1.4, wants 512, and more with extensions.
const maxCommand = 4 << 10

// Read gives go-smtp at most one command line, one line of DATA or a piece of one
// BDAT chunk. Every end of the connection reads as net.ErrClosed: go-smtp takes
// io.EOF inside a chunk for the end of the chunk.
func (c *conn) Read(p []byte) (int, error) {
	if c.over {
		return 0, net.ErrClosed
	}
	if c.starting != nil {
		<-c.starting
		c.starting = nil
	}
	if len(c.line) == 0 && (c.data || c.chunk > 0) {
		return c.readContent(p)
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

// readContent gives a piece of the message.
func (c *conn) readContent(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
	piece := c.rest
	if c.chunk > 0 {
		piece = piece[:min(int64(len(piece)), c.chunk)]
	} else if end := bytes.IndexByte(piece, '\n'); end >= 0 {
		piece = piece[:end+1]
	}
	n := copy(p, piece)
	c.rest = c.rest[n:]
	if c.chunk > 0 {
		c.chunk -= int64(n)
	}
	return n, nil
}

// readCommand waits for a command that is go-smtp's to carry out.
func (c *conn) readCommand() error {
	for {
		if err := c.readLine(); err != nil {
			return err
		}
		if c.challenged { // RFC 4954, section 4: a line of the SASL exchange
			c.challenged = false
			return nil
		}
		yes, parameters := isStartTLS(c.line)
		if !yes || c.listener.TLS == nil {
			break
		}
		c.line = nil
		if err := c.startTLS(parameters); err != nil {
			return err
		}
	}
	verb, _, _ := bytes.Cut(c.line, []byte(" "))
	c.verb = strings.ToUpper(string(bytes.TrimSuffix(verb, []byte("\n"))))
	size, ok := chunkSize(c.line)
	c.chunk = size
	if ok && c.reading != nil {
		c.starting = c.reading
		if c.contentBy.IsZero() {
			c.contentBy = time.Now().Add(c.server.o.Limits.DataTotal)
		}
	}
	return nil
}

// readLine waits for a whole line.
func (c *conn) readLine() error {
	end := bytes.IndexByte(c.rest, '\n')
	for end < 0 {
		if len(c.rest) == len(c.buf) { // RFC 5321, section 4.5.3.1.9
			return c.end("500 5.5.2 Line too long")
		}
		if err := c.receive(); err != nil {
			return err
		}
		end = bytes.IndexByte(c.rest, '\n')
		if c.spoke || end < 0 && len(c.rest) < longestStart {
			continue
		}
		c.spoke = true
		if other := foreign(c.rest); other != "" {
			c.over = true
			c.tell(Event{Reason: "connection cut: the client speaks " + other + ", and " + c.listener.Name + " is " + c.speaks()})
			return net.ErrClosed
		}
	}
	// RFC 5321, section 4.1.1: white space before the line end is tolerated.
	c.line = append(bytes.TrimRight(c.rest[:end], " \t\r"), '\n')
	c.rest = c.rest[end+1:]
	return nil
}

// chunkSize is how many bytes that are no command follow a command line; ok says
// whether it is a BDAT at all (RFC 3030, section 2). It must read BDAT as go-smtp
// does: a chunk follows a refused BDAT as well, but none one whose parameters are
// wrong.
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

// receive waits until the client sends something, and adds it to rest.
func (c *conn) receive() error {
	had := copy(c.buf, c.rest)
	n, err := c.wait(c.buf[had:])
	if n == 0 {
		return c.lost(err)
	}
	c.rest = c.buf[:had+n]
	c.hear()
	return nil
}

// wait reads from the socket until the deadline of the moment.
func (c *conn) wait(p []byte) (int, error) {
	by := c.commandBy
	if !c.contentBy.IsZero() {
		by = c.contentBy
		if idle := time.Now().Add(c.server.o.Limits.DataIdle); idle.Before(by) {
			by = idle
		}
	}
	c.mu.Lock()
	err := os.ErrDeadlineExceeded
	if !c.stopped() {
		err = c.SetReadDeadline(by)
	}
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// lost ends the connection after a read that gave nothing. No command follows a
// message that was cut short, and no message is whole that was.
func (c *conn) lost(err error) error {
	c.mu.Lock()
	stopped := c.stopped()
	c.mu.Unlock()
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		c.over = true
		if !c.contentBy.IsZero() {
			c.tell(Event{Reason: "the client broke off in the middle of a message", Err: err})
		}
		return net.ErrClosed
	case stopped: // RFC 5321, section 3.8
		return c.end("421 4.3.2 " + c.server.o.Hostname + " is shutting down, try again later")
	default: // RFC 5321, section 4.5.3.2
		return c.end("421 4.4.2 " + c.server.o.Hostname + " waited too long, closing the connection")
	}
}

// end says a last word to the client. It returns net.ErrClosed.
func (c *conn) end(reply string) error {
	_, _ = fmt.Fprintf(c, "%s\r\n", reply)
	c.over = true
	return net.ErrClosed
}

// hear tells the Handler that its replies have arrived. A panic there would end
// the process: go-smtp reads commands outside of any recover.
func (c *conn) hear() {
	heard := c.heard
	c.heard = nil
	for _, f := range heard {
		c.guarded("Confirmed", f)
	}
}

// guarded calls back a Reply's function of some name.
func (c *conn) guarded(name string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.tell(Event{Reason: "panic in Reply." + name, Err: panicked(v)})
		}
	}()
	f()
}

// speaks says what a client is expected to begin with.
func (c *conn) speaks() string {
	if c.encrypted {
		return "SMTP"
	}
	return "plaintext SMTP"
}

// longestStart is how many bytes foreign wants to see.
const longestStart = len("OPTIONS ")

// foreign names the protocol that a client speaks whose first bytes are these, ""
// for SMTP. A browser can be made to send a form whose lines are SMTP commands.
func foreign(start []byte) string {
	if bytes.HasPrefix(start, []byte{0x16, 0x03}) { // RFC 8446, section 5.1: a handshake record
		return "TLS"
	}
	for _, method := range []string{"GET ", "HEAD ", "POST ", "PUT ", "OPTIONS ", "CONNECT ", "DELETE ", "PATCH ", "TRACE ", "PRI * "} {
		if bytes.HasPrefix(start, []byte(method)) {
			return "HTTP"
		}
	}
	return ""
}
