package charset

import (
	"strings"
	"unicode"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

const (
	// commonCyrillic are letters of which a third of a text is in languages with Cyrillic letters, and
	// rareCyrillic such of which a tenth is. With the wrong label it is the reverse.
	commonCyrillic = "ОАИТС"
	rareCyrillic   = "ФЙБЧЩЪШХЦ"

	// minCyrillic is how many letters a text needs to show in which charset it is.
	minCyrillic = 32
)

// swappedCyrillic returns the charset of a text that is declared to be windows-1251 and is KOI8, or the
// reverse. Both have their letters at the same octets, one the capitals where the other has the small
// letters. A text with the wrong label seems to be in capitals, of which too many are rare. enc is nil for
// any other text.
func swappedCyrillic(b []byte, declared encoding.Encoding) (enc *charmap.Charmap, name string) {
	label := charmap.Windows1251
	enc, name = charmap.KOI8U, "koi8-u" // it has all letters of KOI8-R
	switch declared {
	case charmap.Windows1251:
	case charmap.KOI8R, charmap.KOI8U:
		label, enc, name = charmap.KOI8U, charmap.Windows1251, "windows-1251"
	default:
		return nil, ""
	}
	letters, capitals, more := 0, 0, 0
	for _, c := range b[:min(len(b), maxDetect)] {
		if c < minHighLetter {
			continue
		}
		letters++
		if unicode.IsUpper(label.DecodeByte(c)) {
			capitals++
		}
		more += frequency(enc, c) - frequency(label, c)
	}
	if letters < minCyrillic || 4*capitals < 3*letters || 4*more < letters {
		return nil, ""
	}
	return enc, name
}

// frequency is 1 for an octet that is a common letter in a charset, -1 for a rare one, else 0.
func frequency(enc *charmap.Charmap, c byte) int {
	switch letter := unicode.ToUpper(enc.DecodeByte(c)); {
	case strings.ContainsRune(commonCyrillic, letter):
		return 1
	case strings.ContainsRune(rareCyrillic, letter):
		return -1
	}
	return 0
}
