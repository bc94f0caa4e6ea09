package charset

import (
	"bytes"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// What changes between ASCII and KS X 1001 in ISO-2022-KR (RFC 1557).
const (
	shiftOut = 0x0e
	shiftIn  = 0x0f
)

// iso2022KR is ISO-2022-KR, which is EUC-KR in seven bits. golang.org/x/text
// does not have it.
type iso2022KR struct{ encoding.Encoding }

// NewDecoder makes a decoder.
func (e iso2022KR) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: transform.Chain(new(unshift), e.Encoding.NewDecoder())}
}

// unshift makes EUC-KR of ISO-2022-KR.
type unshift struct{ out bool }

// designator says once, before anything else, that KS X 1001 is what is shifted to.
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
			u.out = false // a line begins in ASCII
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
