package charset

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// singleByte is a charset of highHalves. It only decodes.
type singleByte struct {
	encoding.Encoding // for the encoder, which is never used
	high              [128]rune
}

func newSingleByte(high string) *singleByte {
	s := &singleByte{Encoding: encoding.Replacement}
	i := 0
	for _, r := range high {
		s.high[i] = r
		i++
	}
	return s
}

// NewDecoder implements encoding.Encoding.
func (s *singleByte) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: singleByteDecoder{s: s}}
}

type singleByteDecoder struct {
	transform.NopResetter
	s *singleByte
}

// Transform implements transform.Transformer.
func (d singleByteDecoder) Transform(dst, src []byte, _ bool) (nDst, nSrc int, err error) {
	for _, c := range src {
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		r := rune(c)
		if c >= utf8.RuneSelf {
			r = d.s.high[c-utf8.RuneSelf]
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc++
	}
	return nDst, nSrc, nil
}
