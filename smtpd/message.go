package smtpd

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-smtp"
)

// BareLF says how a CR or LF that is not part of a CRLF is treated in a message (RFC
// 5321, section 2.3.8, forbids both).
type BareLF int

// What can be done with a bare CR or LF.
const (
	Repair BareLF = iota // see RepairLineEndings
	Refuse               // 554 5.6.0
)

var crlf = []byte("\r\n")

func errTooLarge(limit int64) error {
	return refuse(552, smtp.EnhancedCode{5, 3, 4}, "Message too large: the limit is %d bytes", limit)
}

// errNoMemory is the reply to a message that has no room: only a share that is used up is the client's
// own doing.
func errNoMemory(cause error, account string) error {
	if errors.Is(cause, ErrAccountMemory) {
		return refuse(452, smtp.EnhancedCode{4, 7, 1}, "Too many messages from %s in progress, try again later", account)
	}
	return refuse(452, smtp.EnhancedCode{4, 3, 1}, "Too many messages in progress, try again later")
}

// messageBuffer holds one message and accounts for its memory.
type messageBuffer struct {
	memory  *memory
	account string
	limits  Limits
	room    []byte // in front of raw, in the same memory
	raw     []byte // its capacity is charged; more may be behind it
	made    int64  // bytes that a Handler made of it

	announced int64 // size, 0 if none was
	lent      int64 // bytes behind raw that were announced, until they have arrived
}

// initialSize is the largest buffer when the first octets have arrived: usual mail that announces
// its size needs no other. One of half the size serves what announces nothing.
const initialSize = 32 << 10

// fieldRoom is the room in front of a message for the field that Envelope.WithTrace prepends, in
// bytes. Only long names need more.
const fieldRoom = 512

// read reads all of r. It fails with an *smtp.SMTPError if r is too large, or if there is no
// memory for it. Memory is reserved as octets arrive, never more than twice as much; announced
// serves only to allocate buffers in a suitable size.
func (b *messageBuffer) read(r io.Reader, announced int64) error {
	b.announced = min(announced, b.limits.MessageSize)
	defer b.returnLent()
	var first [512]byte // before anything arrives, nothing is reserved
	n, err := r.Read(first[:])
	if n > 0 {
		size := int64(initialSize / 2)
		if announced > 0 {
			size = firstSize(max(announced+1, int64(n)))
		}
		if err := b.grow(size); err != nil {
			return err
		}
		b.raw = append(b.raw, first[:min(n, cap(b.raw))]...)
	}
	for {
		switch {
		case int64(len(b.raw)) > b.limits.MessageSize:
			return errTooLarge(b.limits.MessageSize)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case len(b.raw) == cap(b.raw):
			size := 2 * int64(cap(b.raw))
			if announced >= int64(cap(b.raw)) {
				size = min(size, announced+1)
			}
			if err := b.grow(size); err != nil {
				return err
			}
		}
		n, err = r.Read(b.raw[len(b.raw):cap(b.raw)])
		b.raw = b.raw[:len(b.raw)+n]
	}
}

// firstSize returns the size of a buffer that becomes one of n bytes by doubling.
func firstSize(n int64) int64 {
	for n > initialSize {
		n = (n + 1) / 2
	}
	return n
}

// grow enlarges the buffer to n bytes, but never beyond what proves a message too large.
func (b *messageBuffer) grow(n int64) error {
	n = min(n, b.limits.MessageSize+1)
	if err := b.memory.reserve(b.limits, b.account, n-int64(cap(b.raw))); err != nil {
		return errNoMemory(err, b.account)
	}
	if int64(cap(b.room)) < fieldRoom+n {
		b.replace(b.foresee(n), b.raw)
	}
	b.raw = b.room[fieldRoom : fieldRoom+len(b.raw) : fieldRoom+n]
	return nil
}

// foresee returns the size of a buffer that needs n bytes now. When the first buffer is full, what
// was announced can be expected, and is lent: a buffer of that size need not grow again.
func (b *messageBuffer) foresee(n int64) int64 {
	more := b.announced + 1 - n
	if cap(b.raw) == 0 || more <= 0 || b.announced >= maxSpare || !b.memory.lend(b.limits, more) {
		return n
	}
	b.lent += more
	return n + more
}

// returnLent returns what was lent.
func (b *messageBuffer) returnLent() {
	b.memory.takeBack(b.lent)
	b.lent = 0
}

// replace makes a copy of raw, with room in front and a capacity of n bytes, the message.
func (b *messageBuffer) replace(n int64, raw []byte) {
	b.room = newBuffer(n)
	b.raw = append(b.room[fieldRoom:fieldRoom:fieldRoom+n], raw...)
}

// prepend writes a field in front of raw, if that is the message and there is room.
func (b *messageBuffer) prepend(field, raw []byte) (whole []byte, ok bool) {
	if b == nil || len(raw) == 0 || len(b.raw) == 0 || &raw[0] != &b.raw[0] || len(field) > len(b.room) {
		return nil, false
	}
	start := len(b.room) - len(field)
	copy(b.room[start:], field)
	return b.room[start : len(b.room)+len(raw)], true
}

// reserve charges n bytes that a Handler makes of the message.
func (b *messageBuffer) reserve(n int64) error {
	err := b.memory.enlarge(b.limits, b.account, int64(cap(b.raw))+b.made, n)
	if err == nil {
		b.made += n
	}
	return err
}

// free releases the memory. Other messages use it again: nothing may refer to raw any longer.
func (b *messageBuffer) free() {
	b.memory.release(b.account, int64(cap(b.raw))+b.made)
	recycle(b.room)
	b.room, b.raw, b.made = nil, nil, 0
}

// bareLineEndings counts the LFs and the CRs that are not part of a CRLF.
func bareLineEndings(raw []byte) (lf, cr int) {
	cr = bytes.Count(raw, []byte{'\r'})
	for {
		i := bytes.IndexByte(raw, '\n')
		if i < 0 {
			return lf, cr
		}
		if i > 0 && raw[i-1] == '\r' {
			cr--
		} else {
			lf++
		}
		raw = raw[i+1:]
	}
}

// decodeUTF16 decodes a message that is wholly in UTF-16.
func (b *messageBuffer) decodeUTF16() error {
	order := utf16Order(b.raw)
	if order == nil {
		return nil
	}
	more := int64(len(b.raw) / 2)
	if err := b.memory.reserve(b.limits, b.account, more); err != nil {
		return errNoMemory(err, b.account)
	}
	raw := b.raw
	b.replace(int64(cap(raw))+more, nil)
	b.raw = appendUTF8(b.raw, raw, order)
	return nil
}

// normalizeLineEndings repairs the line endings of the message.
func (b *messageBuffer) normalizeLineEndings() error {
	if err := b.decodeUTF16(); err != nil {
		return err
	}
	lf, cr := bareLineEndings(b.raw)
	if lf == 0 && cr == 0 {
		return nil
	}
	if err := b.memory.reserve(b.limits, b.account, int64(lf+cr)); err != nil {
		return errNoMemory(err, b.account)
	}
	raw := b.raw
	b.replace(int64(cap(raw)+lf+cr), nil)
	b.raw = appendRepaired(b.raw, raw)
	return nil
}

// RepairLineEndings makes every CR and LF of a message part of a CRLF, as the server does with
// Settings.BareLF Repair. An LF with any run of CRs before it becomes a CRLF. Any other CR becomes
// a CRLF in the body. In the header, a run of other CRs becomes one CRLF, or nothing at the start
// of a line: it ends a line, so that what it hides stays hidden, but not the header. If the
// message contains no LF except at its end, every CR is a line ending. A message that is wholly in
// UTF-16, of whose line endings each octet would be one, becomes UTF-8 before. The result is raw
// itself if there is nothing to repair, else it does not alias raw.
func RepairLineEndings(raw []byte) []byte {
	if order := utf16Order(raw); order != nil {
		raw = appendUTF8(nil, bytes.Clone(raw), order)
	}
	lf, cr := bareLineEndings(raw)
	if lf == 0 && cr == 0 {
		return raw
	}
	return appendRepaired(make([]byte, 0, len(raw)+lf+cr), raw)
}

// appendRepaired appends raw to dst with its line endings repaired: at most one byte more for
// each bare CR or LF.
func appendRepaired(dst, raw []byte) []byte {
	lines := bytes.TrimRight(raw, "\r\n")
	inHeader := bytes.IndexByte(lines, '\n') >= 0 || bytes.IndexByte(lines, '\r') < 0
	for {
		i := bytes.IndexAny(raw, "\r\n")
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		raw = raw[i:]
		rest := bytes.TrimLeft(raw, "\r")
		crs := len(raw) - len(rest)
		raw = rest
		if len(raw) > 0 && raw[0] == '\n' {
			raw, crs = raw[1:], 0
			inHeader = inHeader && len(dst) > 0 && !bytes.HasSuffix(dst, crlf)
			dst = append(dst, crlf...)
		}
		if inHeader {
			crs = min(crs, 1)
			if len(dst) == 0 || bytes.HasSuffix(dst, crlf) {
				crs = 0
			}
		}
		for range crs {
			dst = append(dst, crlf...)
		}
	}
}

// EndsEarly reports whether a server that takes bare CRs or LFs for line endings, or that
// ignores NULs, could take a line of raw for the end of the message, and what follows for
// commands. Dots that follow a CRLF are doubled on the way (RFC 5321, section 4.5.2).
func EndsEarly(raw []byte) bool {
	for at := 0; ; at++ {
		i := bytes.IndexByte(raw[at:], '.')
		if i < 0 {
			return false
		}
		at += i
		before := bytes.TrimRight(raw[:at], "\x00")
		after := bytes.TrimLeft(raw[at+1:], "\x00")
		doubled := len(before) == at && bytes.HasSuffix(before, crlf)
		begins := len(before) == 0 || before[len(before)-1] == '\r' || before[len(before)-1] == '\n'
		ends := len(after) == 0 || after[0] == '\r' || after[0] == '\n'
		if begins && ends && !doubled {
			return true
		}
	}
}

// findBareLineEnding describes the first CR or LF that is not part of a CRLF, "" if there
// is none.
func findBareLineEnding(raw []byte) string {
	if lf, cr := bareLineEndings(raw); lf == 0 && cr == 0 {
		return ""
	}
	for n, line := range bytes.SplitAfter(raw, crlf) {
		switch i := bytes.IndexAny(bytes.TrimSuffix(line, crlf), "\r\n"); {
		case i < 0:
		case line[i] == '\r':
			return fmt.Sprintf("Bare CR in line %d", n+1)
		default:
			return fmt.Sprintf("Bare LF in line %d", n+1)
		}
	}
	return ""
}
