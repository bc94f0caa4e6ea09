package charset

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"heyrelay/mimeconv/internal/fuzztest"
)

func TestNames(t *testing.T) {
	known := strings.Split(`utf-8 "UTF8" charset=utf-8 latin1 cp1252 cp932 cp936 cp949 cp950 utf-16le utf-16be utf-7 `+
		`ks_c_5601-1987 big5-hkscs iso-8859-8-i koi8-u ibm850 hz-gb-2312 macintosh iso-2022-kr`, " ")
	for _, name := range known {
		if enc, known := Lookup(Name(name)); enc == nil || !known {
			t.Errorf("%s is unknown", name)
		}
	}
	for _, name := range []string{"", "x-unknown", "replacement", "unknown-8bit"} {
		if _, known := Lookup(Name(name)); known {
			t.Errorf("%s is known", name)
		}
	}
}

// A word that is UTF-8, too, is in the charset that is declared, if that is likelier.
func TestUTF8ByChance(t *testing.T) {
	for _, test := range []struct{ octets, declared, want string }{
		{"\xcd\xa8\xd6\xaa", "gb2312", "通知"},
		{"\xcd\xa8\xd6\xaa 2026-11-26: \xd1\xa7\xd0\xa3", "gbk", "通知 2026-11-26: 学校"},
		{"\xc2\xb7", "gb18030", "路"},
		{"20 \xc2\xb0C", "gb2312", "20 °C"},
		{"\xc2\xa9 2026", "euc-kr", "© 2026"},
		{"caf\xc3\xa9", "big5", "café"},
		{"\xe9\x80\x9a\xe7\x9f\xa5", "gb2312", "通知"},
		{"\xd0\x94\xd0\xbe\xd0\xb1\xd1\x80\xd1\x8b\xd0\xb9 \xd0\xb4\xd0\xb5\xd0\xbd\xd1\x8c", "gb2312", "Добрый день"},
		{"Привет", "gb2312", "Привет"},
		{"Größe", "gbk", "Größe"},
		{"żółty", "euc-kr", "żółty"},
		{"Offre créée", "gb18030", "Offre créée"},
		{"Того", "gbk", "Того"},
		{"Τανζανία", "gb2312", "Τανζανία"},
		{"\xd0\xbb\xd0\xbb", "gbk", "谢谢"},
		{"\xd0\xa1\xd0\xb4", "gbk", "小写"},
		{"créée", "shift_jis", "créée"},
		{"é", "shift_jis", "é"},
		{"\xcd\xa8\xd6\xaa", "", "\xcd\xa8\xd6\xaa"},
		{"\xcd\xa8\xd6\xaa", "iso-8859-1", "\xcd\xa8\xd6\xaa"},
	} {
		if got, _, _ := Decode([]byte(test.octets), test.declared, false); string(got) != test.want {
			t.Errorf("%q in %q is %q, want %q", test.octets, test.declared, got, test.want)
		}
	}
}

// Signs are no letters: without a charset, they are read as Western European.
func TestSignsWithoutCharset(t *testing.T) {
	for octets, want := range map[string]string{
		"\xa35.00 \xa36.00 \xa37.00 \xa38.00 \xa39.00": "£5.00 £6.00 £7.00 £8.00 £9.00",
		"21,5\xb0 22,0\xb0 23,1\xb0 24,2\xb0 25,0\xb0": "21,5° 22,0° 23,1° 24,2° 25,0°",
		"\xd3\xe2\xe0\xe6\xe0\xe5\xec\xfb\xe9 \xea\xeb\xe8\xe5\xed\xf2, \xe2\xe0\xf8 \xe7\xe0\xea\xe0\xe7 " +
			"\xee\xf2\xef\xf0\xe0\xe2\xeb\xe5\xed.": "Уважаемый клиент, ваш заказ отправлен.",
	} {
		if got, _, _ := Decode([]byte(octets), "", false); string(got) != want {
			t.Errorf("%q is %q, want %q", octets, got, want)
		}
	}
}

// TestDetectionIsStable checks that charsets of equal confidence are returned in a fixed
// order although the detector's recognizers race.
func TestDetectionIsStable(t *testing.T) {
	// Chinese in GBK that could also be Big5 or EUC-JP.
	text := []byte("\xc4\xe3\xba\xc3\xa3\xac\xca\xc0\xbd\xe7\xa1\xa3\xce\xd2\xc3\xc7" +
		"\xd2\xd1\xbe\xad\xca\xd5\xb5\xbd\xc4\xfa\xb5\xc4\xb6\xa9\xb5\xa5")
	first := detectCharsets(text, false)
	if len(first) < 3 {
		t.Fatalf("only %v: the test needs a tie", first)
	}
	for range 200 {
		if again := detectCharsets(text, false); !slices.Equal(again, first) {
			t.Fatalf("%v, then %v", first, again)
		}
	}
}

// FuzzCharset checks that the result is valid UTF-8, and unchanged if the input was UTF-8.
func FuzzCharset(f *testing.F) {
	for _, name := range []string{"", "utf-8", "iso-8859-1", "utf-16", "utf-7", "iso-2022-jp", "gb18030", "x"} {
		f.Add([]byte("Gr\xc3\xbc\xc3\x9fe"), name)
		f.Add([]byte("Gr\xfc\xdfe \x1b$B+AAA- \x00"), name)
	}
	f.Fuzz(func(t *testing.T, b []byte, declared string) {
		var text []byte
		var used string
		var how How
		fuzztest.Bounded(t, len(b), func() { text, used, how = Decode(b, declared, len(b)%2 == 0) })
		if !utf8.Valid(text) || !utf8.ValidString(used) || (used == "") != (how == Declared) {
			t.Errorf("Decode(%q, %q) = %q, %q, %d", b, declared, text, used, how)
		}
		if again, u, h := Decode(b, declared, len(b)%2 == 0); !bytes.Equal(again, text) || u != used || h != how {
			t.Errorf("Decode(%q, %q) = %q, then %q", b, declared, text, again)
		}
		isUTF8 := declared == "utf-8" && utf8.Valid(b) && !strings.ContainsAny(string(b), "\x00\x1b\ufeff")
		if isUTF8 && !bytes.Equal(text, b) {
			t.Errorf("Decode(%q) = %q", b, text)
		}
	})
}
