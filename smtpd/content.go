package smtpd

import (
	"bytes"
	"io"
	"net"
)

// contentReader reads the content that follows a 354 (RFC 5321, section 4.5.2): up to CRLF.CRLF,
// without the dots that were doubled at the beginning of a line. CR CR LF ends a line, too. It
// reads whole buffers, where go-smtp's reader takes octet by octet and sees no end of a line in
// CR CR LF: that one gets only the end.
type contentReader struct {
	conn    *conn
	inLine  bool // what comes next does not begin a line
	afterCR bool // the latest octet was a CR
	ended   bool
}

// maxReceived is how much is read from the socket at a time, in bytes, and so bounds the commands
// that may follow the content at once.
const maxReceived = 64 << 10

// contentEnd is what go-smtp sees of the content.
const contentEnd = ".\r\n"

// Read implements io.Reader.
func (r *contentReader) Read(p []byte) (int, error) {
	c := r.conn
	for !c.closed {
		n, used := r.decode(p, c.unread)
		c.unread = append(c.buf[:0], c.unread[used:]...) // it may have been in p
		if r.ended {
			c.line = []byte(contentEnd)
			return n, io.EOF
		}
		if n > 0 {
			return n, nil
		}
		into := c.buf
		if len(p) > len(into) {
			into = p[:min(len(p), maxReceived)]
		}
		if err := c.receiveInto(into); err != nil {
			return 0, err
		}
	}
	return 0, net.ErrClosed
}

// decode decodes src into dst, which may begin where src does, and returns how many bytes it
// wrote and used. It leaves what may be a part of the end.
func (r *contentReader) decode(dst, src []byte) (n, used int) {
	for used < len(src) && n < len(dst) {
		if !r.inLine && src[used] == '.' {
			switch rest := src[used+1:]; {
			case bytes.HasPrefix(rest, crlf):
				r.ended = true
				return n, used + len(contentEnd)
			case bytes.HasPrefix(crlf, rest): // what follows decides
				return n, used
			}
			used++
		}
		piece := src[used:min(len(src), used+len(dst)-n)]
		if i := bytes.Index(piece, []byte("\n.")); i >= 0 {
			piece = piece[:i+1]
		}
		r.follow(piece)
		n += copy(dst[n:], piece)
		used += len(piece)
	}
	return n, used
}

// follow updates the state behind a piece of the content.
func (r *contentReader) follow(piece []byte) {
	last := len(piece) - 1
	beforeLast := r.afterCR
	if last > 0 {
		beforeLast = piece[last-1] == '\r'
	}
	r.inLine = piece[last] != '\n' || !beforeLast
	r.afterCR = piece[last] == '\r'
}
