package charset

import (
	"bytes"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// The octets that switch between ASCII and KS X 1001 in ISO-2022-KR (RFC 1557).
const (
	shiftOut = 0x0e
	shiftIn  = 0x0f
)

// iso2022KR is ISO-2022-KR, a 7-bit form of EUC-KR that golang.org/x/text lacks.
type iso2022KR struct{ encoding.Encoding }

// NewDecoder implements encoding.Encoding.
func (e iso2022KR) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: transform.Chain(new(unshift), e.Encoding.NewDecoder())}
}

// unshift converts ISO-2022-KR to EUC-KR.
type unshift struct{ out bool }

// designator selects KS X 1001 as the charset to shift to. It precedes all text.
const designator = "\x1b$)C"

// Reset implements transform.Transformer.
func (u *unshift) Reset() { u.out = false }

// Transform implements transform.Transformer.
func (u *unshift) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		c := src[nSrc]
		if c == designator[0] {
			rest := src[nSrc:]
			if len(rest) < len(designator) && !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			if bytes.HasPrefix(rest, []byte(designator)) {
				nSrc += len(designator)
				continue
			}
		}
		if c == shiftOut || c == shiftIn {
			u.out = c == shiftOut
			nSrc++
			continue
		}
		if nDst == len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		if c == '\n' {
			u.out = false // each line begins in ASCII
		}
		if u.out && c > ' ' {
			c |= 0x80
		}
		dst[nDst] = c
		nDst++
		nSrc++
	}
	return nDst, nSrc, nil
}
