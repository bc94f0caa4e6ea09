package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"

	"heyrelay/internal/spool"
)

// body is a row of the table content: what a message says. A packed one has, in raw, the CRC-32C of
// what follows it, and a block of S2. In that are subjectOffset and the lengths of html and text, each in four
// octets, then html, text and raw. All numbers are big endian.
type body struct {
	html, text    string
	subjectOffset int // packed for a packed one
	raw           []byte
}

const (
	packed    = -1
	maxPacked = 1 << 20 // octets in a block: damage cannot claim more memory
	lengths   = 12      // octets in front of html
)

// rawOfPacked is raw where the row x is packed, and else NULL, which costs no reading.
const rawOfPacked = `CASE WHEN x.subject_offset < 0 THEN x.raw END`

var be = binary.BigEndian

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// buffers are *[]byte in which something is packed or unpacked.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// rows are those of packed messages, until they are stored. Few are larger.
var rows = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// bodyOf is the row of a message, not yet packed.
func bodyOf(m *spool.Message) body {
	return body{html: m.HTML, text: m.Text, subjectOffset: m.SubjectOffset, raw: m.Raw[:min(len(m.Raw), pieceSize)]}
}

// pack packs a body, if that makes it smaller, into row where that is large enough. One whose raw is stored in
// pieces stays as it is: most of it are files, which are compressed already.
func (b *body) pack(row []byte) {
	size := len(b.html) + len(b.text) + len(b.raw)
	if len(b.raw) == 0 || len(b.raw) >= pieceSize || size > maxPacked-lengths {
		return
	}
	plain, block := buffers.Get().(*[]byte), buffers.Get().(*[]byte)
	defer buffers.Put(plain)
	defer buffers.Put(block)
	*plain = be.AppendUint32((*plain)[:0], uint32(b.subjectOffset))
	*plain = be.AppendUint32(*plain, uint32(len(b.html)))
	*plain = be.AppendUint32(*plain, uint32(len(b.text)))
	*plain = append(append(append(*plain, b.html...), b.text...), b.raw...)
	*block = s2.Encode(slices.Grow((*block)[:0], s2.MaxEncodedLen(len(*plain))), *plain)
	if crc32.Size+len(*block) >= size {
		return
	}
	sum := crc32.Checksum(*block, castagnoli)
	*b = body{subjectOffset: packed, raw: append(be.AppendUint32(row[:0], sum), *block...)}
}

// extent is how much of a body is unpacked.
type extent bool

const (
	bodiesOnly extent = false // html and text
	withRaw    extent = true
)

// unpack makes of a message's body what it was before it was packed, if it is. The error is
// spool.ErrCorrupt.
func (b *body) unpack(queueID string, wanted extent) error {
	if b.subjectOffset >= 0 {
		return nil
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	var err error
	*buffer, err = unblock(*buffer, b.raw)
	if err != nil {
		return fmt.Errorf("%w: content of %s: %w; what to do: submit the message again, and check the disk",
			spool.ErrCorrupt, queueID, err)
	}
	offset, html, text := be.Uint32(*buffer), be.Uint32((*buffer)[4:]), be.Uint32((*buffer)[8:])
	rest := (*buffer)[lengths:]
	*b = body{html: string(rest[:html]), text: string(rest[html : html+text]), subjectOffset: int(offset)}
	if wanted == withRaw {
		b.raw = bytes.Clone(rest[html+text:])
	}
	return nil
}

// unblock returns what pack has packed, in buffer if that is large enough. Its lengths are within it.
func unblock(buffer, made []byte) ([]byte, error) {
	if len(made) < crc32.Size || be.Uint32(made) != crc32.Checksum(made[crc32.Size:], castagnoli) {
		return nil, errors.New("its checksum is wrong")
	}
	block := made[crc32.Size:]
	size, err := s2.DecodedLen(block)
	if err != nil || size < lengths || size > maxPacked {
		return nil, fmt.Errorf("it claims to have %d octets, which is too few or too many", size)
	}
	all, err := s2.Decode(buffer[:cap(buffer)], block)
	if err != nil {
		return nil, err
	}
	if html, text := be.Uint32(all[4:]), be.Uint32(all[8:]); uint64(html)+uint64(text) > uint64(size-lengths) {
		return nil, fmt.Errorf("its bodies claim to have %d and %d of %d octets", html, text, size)
	}
	return all, nil
}
