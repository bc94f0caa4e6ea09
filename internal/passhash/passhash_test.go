package passhash

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestNew(t *testing.T) {
	text, err := New("sesame", bytes.NewReader(make([]byte, saltLength)))
	if err != nil || !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$") {
		t.Fatalf("%s, %v", text, err)
	}
	h, err := Parse(text)
	if err != nil || !h.Matches("sesame") || h.Matches("Sesame") || h.Matches("") {
		t.Errorf("%v: sesame %v, Sesame %v", err, h.Matches("sesame"), h.Matches("Sesame"))
	}
	if got := fmt.Sprintf("%v %+v %#v %s", h, h, h, struct{ Password Hash }{h}.Password); strings.Contains(got, "$") {
		t.Errorf("a hash is printed: %s", got)
	}
	if _, err := New("sesame", strings.NewReader("short")); err == nil {
		t.Error("a hash without a salt")
	}
}

// Hashes of other programs: the argon2 command of libargon2, and htpasswd -B.
func TestForeignHashes(t *testing.T) {
	for _, text := range []string{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
	} {
		h, err := Parse(text)
		if err != nil || h.Matches("wrong") {
			t.Errorf("%s: %v", text, err)
		}
	}
	h, _ := Parse("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	if !h.Matches("password") {
		t.Error("the reference implementation's own hash does not match")
	}
}

func TestParseRefuses(t *testing.T) {
	const salt, key = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, text := range []string{
		"", "secret", "$apr1$x$y", "{SHA}abc", "$1$salt$hash", "$6$salt$hash",
		"$argon2i$v=19$m=1,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt, "$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + key, "$argon2id$v=19$m=9999999,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$AAAA", "$argon2id$v=19$m=19456,t=2,p=1$!$" + key,
		"$2y$15$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui", "$argon2id$v=19$m=19456,t=2,p=1x$" + salt + "$" + key,
		"$2y$31$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui", "$2y$05$short",
		"$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui$",
	} {
		_, err := Parse(text)
		if err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Hashes of different kinds can be compared by their cost.
func TestCost(t *testing.T) {
	const salt, key = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	const rest = "abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"
	ordered := []string{
		"$2y$04$" + rest, "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key, "$2y$10$" + rest,
		"$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$" + key, "$2y$14$" + rest,
	}
	var last Hash
	for _, text := range ordered {
		h, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if h.Cost() <= last.Cost() {
			t.Errorf("%s costs %v, not more than %v", text, h.Cost(), last.Cost())
		}
		last = h
	}
}
