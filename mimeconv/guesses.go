package mimeconv

import "heyrelay/mimeconv/charset"

const (
	// maxGuessed bounds the text of a message whose charset is guessed, in octets. Guessing
	// costs far more than decoding. Text beyond it is read without.
	maxGuessed = 256 << 10

	// guessCost is what a guess counts in addition to its text, of which guessSample octets
	// at most are used.
	guessCost   = 128
	guessSample = 8 << 10
)

// guesses counts the text of a message whose charset was guessed, in octets.
type guesses int

// decode is charset.Decode, or charset.DecodeFast if enough was guessed.
func (g *guesses) decode(data []byte, declared string, isHTML bool) (text []byte, used string, how charset.How) {
	if *g >= maxGuessed {
		return charset.DecodeFast(data, declared, isHTML)
	}
	text, used, how = charset.Decode(data, declared, isHTML)
	if how != charset.Declared {
		*g += guesses(guessCost + min(len(data), guessSample))
	}
	return text, used, how
}
