package smtpd

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/emersion/go-smtp"
)

// BareLF says what becomes of a CR or LF inside a message that is not part of a
// CRLF (RFC 5321, section 2.3.8, forbids both).
type BareLF int

const (
	Repair BareLF = iota // LF, and any run of CRs before it, becomes CRLF; any other CR a space
	Refuse               // 554 5.6.0
)

var crlf = []byte("\r\n")

func tooLarge(limit int64) error {
	return refuse(552, smtp.EnhancedCode{5, 3, 4}, "Message too large: the limit is %d bytes", limit)
}

func tooMuch() error {
	return refuse(452, smtp.EnhancedCode{4, 3, 1}, "Too much mail at the moment, try again later")
}

// budget is how much of something is left for all.
type budget struct{ left atomic.Int64 }

func (b *budget) take(n int64) bool {
	if b.left.Add(-n) < 0 {
		b.left.Add(n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.left.Add(n) }

// intake is the memory that one message takes.
type intake struct {
	memory *budget
	limit  int64 // bytes of the message
	raw    []byte
}

const (
	firstRoom    = 16 << 10 // for a message whose size was not announced
	trustedClaim = 1 << 20  // of an announced size, before any of it has come
)

// read takes all of r. It fails with an *smtp.SMTPError where r is too much.
func (in *intake) read(r io.Reader, announced int64) error {
	if err := in.grow(max(firstRoom, min(announced, trustedClaim)+1)); err != nil {
		return err
	}
	for {
		n, err := r.Read(in.raw[len(in.raw):cap(in.raw)])
		in.raw = in.raw[:len(in.raw)+n]
		switch {
		case int64(len(in.raw)) > in.limit:
			return tooLarge(in.limit)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case len(in.raw) == cap(in.raw):
			if err := in.grow(2 * int64(cap(in.raw))); err != nil {
				return err
			}
		}
	}
}

// grow makes room for n bytes, though never for more than prove a message too large.
func (in *intake) grow(n int64) error {
	n = min(n, in.limit+1)
	if !in.memory.take(n - int64(cap(in.raw))) {
		return tooMuch()
	}
	in.raw = append(make([]byte, 0, n), in.raw...)
	return nil
}

// drop gives the memory back.
func (in *intake) drop() {
	in.memory.give(int64(cap(in.raw)))
	in.raw = nil
}

// endLines sees to it that all CR and LF stand as CRLF.
func (in *intake) endLines(bare BareLF) error {
	pairs := bytes.Count(in.raw, crlf)
	lone := bytes.Count(in.raw, []byte{'\n'}) - pairs
	if lone == 0 && bytes.Count(in.raw, []byte{'\r'}) == pairs {
		return nil
	}
	if bare == Refuse {
		return refuse(554, smtp.EnhancedCode{5, 6, 0}, "%s: lines must end in CR LF (or set bare_lf: repair)", firstBare(in.raw))
	}
	if !in.memory.take(int64(lone)) {
		return tooMuch()
	}
	fixed := make([]byte, 0, cap(in.raw)+lone)
	in.raw = appendLines(fixed, in.raw)
	return nil
}

// appendLines appends raw to fixed with its line ends repaired: at most a byte more
// for each LF without CR.
func appendLines(fixed, raw []byte) []byte {
	for len(raw) > 0 {
		i := bytes.IndexAny(raw, "\r\n")
		if i < 0 {
			break
		}
		fixed = append(fixed, raw[:i]...)
		raw = raw[i:]
		if after := bytes.TrimLeft(raw, "\r"); len(after) > 0 && after[0] == '\n' {
			fixed, raw = append(fixed, crlf...), after[1:]
		} else {
			fixed, raw = append(fixed, ' '), raw[1:]
		}
	}
	return append(fixed, raw...)
}

// firstBare says where the first CR or LF stands that is not part of a CRLF.
func firstBare(raw []byte) string {
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
