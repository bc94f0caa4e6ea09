package gateway

import "testing"

// A key of the application stands for one message of a scope, and never for the
// content of another.
func TestKeyed(t *testing.T) {
	key := keyed("shop/202", "17")
	if key == keyed("shop/203", "17") || key == keyed("shop/202", "18") || key == keyed("shop/20", "217") {
		t.Error("different keys, or scopes, stand for one message")
	}
	if key == fingerprint("shop/202", "17", nil, nil) {
		t.Error("a key is taken for content")
	}
}
