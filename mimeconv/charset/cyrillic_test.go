package charset

import (
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// Russian and Bulgarian with the label of the other charset is read as it was written, and text in
// capitals with the right label stays, in whatever language.
func TestSwappedCyrillic(t *testing.T) {
	charsets := map[string]*charmap.Charmap{"windows-1251": charmap.Windows1251, "koi8-r": charmap.KOI8R}
	other := map[string]string{"windows-1251": "koi8-r", "koi8-r": "windows-1251"}
	for _, lang := range []string{"ru", "bg", "uk", "sr", "mk", "be"} {
		names := countries(lang)
		r := rand.New(rand.NewPCG(1, 2)) // the same texts each time
		mended, swapped := 0, 0
		for range 2000 {
			text := ""
			for range 3 + r.IntN(10) {
				text += names[r.IntN(len(names))] + " "
			}
			capitals := strings.ToUpper(text)
			for label, enc := range charsets {
				if octets, err := enc.NewEncoder().String(capitals); err == nil {
					if got, _, how := Decode([]byte(octets), label, false); string(got) != capitals || how != Declared {
						t.Errorf("%s in %s: %s", capitals, label, got)
					}
				}
				octets, err := charsets[other[label]].NewEncoder().String(text)
				if err != nil || len(octets) < minCyrillic {
					continue
				}
				swapped++
				if got, _, _ := Decode([]byte(octets), label, false); string(got) == text {
					mended++
				}
			}
		}
		if (lang == "ru" || lang == "bg") && (swapped < 1000 || 20*mended < 17*swapped) {
			t.Errorf("%s: %d of %d texts are readable", lang, mended, swapped)
		}
	}
}

// countries returns the names of countries in a language.
func countries(lang string) (names []string) {
	namer := display.Regions(language.Make(lang))
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if region, err := language.ParseRegion(string([]rune{a, b})); err == nil {
				names = append(names, namer.Name(region))
			}
		}
	}
	return names
}
