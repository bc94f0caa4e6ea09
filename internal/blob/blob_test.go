package blob

import (
	"crypto/rand"
	"testing"
)

func TestOwner(t *testing.T) {
	one, other := Owner{1, 2, 3, 4}, Owner{1, 2, 3, 5}
	key := one.NewKey(rand.Reader)
	if !isKey(key) || key == one.NewKey(rand.Reader) {
		t.Errorf("%q is no new key", key)
	}
	if !one.Owns(key) || other.Owns(key) || one.Owns(key[4:]) {
		t.Errorf("%q is not the key of one owner alone", key)
	}
}
