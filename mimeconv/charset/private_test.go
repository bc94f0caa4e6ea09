package charset

import "testing"

// TestPrivateCharacters checks that characters which only some systems know cost no others.
func TestPrivateCharacters(t *testing.T) {
	for _, test := range []struct{ label, octets, text string }{
		{"shift_jis", "\x82\xb1\x82\xf1\x82\xc9\x82\xbf\xf9\x80\xf9\xfc\x88\xf0", "こんにち〓〓芋"}, // emoji of a carrier
		{"iso-2022-jp", "\x1b$B$3$s$Ku:\x1b(B!", "こんに\ufffd!"},                               // emoji of a carrier
		{"", "\x1b$B$3$s-!\x1b(B", "こん①"},                                                    // NEC's characters
		{"euc-jp", "\xa4\xb3\xa4\xf3\xa4\xcb\xa4\xc1\xf5\xa1", "こんにち\ufffd"},
		{"gbk", "\xc4\xe3\xba\xc3\xc4\xe3\xba\xc3\xaa\xa1", "你好你好\ufffd"},
		{"cp949", "\xbe\xc8\xb3\xe7\xbe\xc8\xb3\xe7\xc9\xa1", "안녕안녕\ufffd"},
		{"utf-8", "Grüße \xed\xa0\xbd\xed\xb8\x80!", "Grüße 😀!"}, // CESU-8
		{"", "\xed\xa0\xbd\xed\xb8\x80", "😀"},
		{"utf-16", "h\x00i\x00", "hi"},
		{"ucs-2", "\x00h\x00i", "hi"},
	} {
		if text, used, _ := Decode([]byte(test.octets), test.label, false); string(text) != test.text {
			t.Errorf("%q in %s: %q, want %q; used %s", test.octets, test.label, text, test.text, used)
		}
	}
	for _, latin := range []string{"Grüße aus Köln, schöne Tage für Sie", "Les élèves déçus à Noël"} {
		b := make([]byte, 0, len(latin))
		for _, r := range latin {
			b = append(b, byte(r))
		}
		for _, label := range []string{"shift_jis", "euc-jp"} {
			if text, used, how := Decode(b, label, false); string(text) != latin || how != Guessed {
				t.Errorf("Latin-1 labeled %s: %q, used %s", label, text, used)
			}
		}
	}
}
