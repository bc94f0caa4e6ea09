package heymarket_test

import (
	"slices"
	"testing"

	"heyrelay/internal/heymarket"
)

func TestTargets(t *testing.T) {
	got := heymarket.Targets([]string{"a@example.com", "b@example.com"}, []string{"c@example.com"})
	if want := []string{"to:a@example.com", "to:b@example.com", "cc:c@example.com"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := heymarket.Targets(nil, nil); len(got) != 0 {
		t.Errorf("without recipients: %q", got)
	}
}
