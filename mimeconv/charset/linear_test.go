package charset

import (
	"fmt"
	"strings"
	"testing"

	"heyrelay/mimeconv/internal/fuzztest"
)

// Text in every kind of charset, made of any octets.
func TestDecodeIsLinear(t *testing.T) {
	for _, label := range []string{
		"", "nope", "utf-8", "utf-7", "utf-16", "iso-2022-jp", "iso-2022-kr", "hz-gb-2312", "gb18030", "big5",
		"euc-kr", "shift_jis", "euc-tw", "johab", "iso-2022-cn", "windows-1252", "us-ascii",
	} {
		for _, unit := range []string{
			"a", "\xe4", "ä", "+", "+-", "+AAA", "+2D", "~{", "~{!!~}", "\x1b$B", "\x1b$B!!", "\x1b(B", "\x0e",
			"\x0e!!\x0f", "\x00a",
			"a\x00", "\xd8\x00", "\x00\xd8", "\xff\xfe", "\x81", "\x81\x40", "\xa1", "\xc3", "\xef\xbb\xbf",
			"<meta charset=", "<meta ",
			"<meta charset=x>\xe4",
		} {
			t.Run(fmt.Sprintf("%s, %q", label, unit), func(t *testing.T) {
				input := func(n int) []byte { return []byte(strings.Repeat(unit, n/len(unit))) }
				fuzztest.Linear(t, 8<<10, input, func(b []byte) { Decode(b, label, true) })
				name := func(b []byte) { Decode([]byte("\xe4"), string(b), false) }
				fuzztest.Linear(t, 8<<10, input, name)
			})
		}
	}
}
