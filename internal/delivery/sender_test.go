package delivery

import "testing"

func TestCanReceive(t *testing.T) {
	for sender, want := range map[string]bool{
		"app@example.com":          true,
		"bob.@docomo.example":      true,
		"www-data@my_container_1":  true,
		`"a b"@example.com`:        true,
		`"a\"b"@example.com`:       true,
		"scan@[192.0.2.7]":         true,
		"scan@[IPv6:2001:db8::7]":  true,
		"jörg@bücher.example":      true,
		"":                         false,
		"root":                     false,
		"ESP-CAM":                  false,
		"a@":                       false,
		"@example.com":             false,
		"a@b@example.com":          false,
		"a b@example.com":          false,
		"a@example.com b":          false,
		"x,y@example.com":          false,
		"a<b@example.com":          false,
		"a@[x]> y":                 false,
		`"a"b"@example.com`:        false,
		"a@example.com\r\nRCPT TO": false,
	} {
		if got := canReceive(sender); got != want {
			t.Errorf("%q: %v", sender, got)
		}
	}
}
