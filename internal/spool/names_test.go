package spool

import (
	"fmt"
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	for s := Queued; s <= Dropped; s++ {
		if got, err := ParseState(s.String()); got != s || err != nil {
			t.Errorf("ParseState(%q) = %v, %v", s, got, err)
		}
	}
	for p := High; p <= Bulk; p++ {
		if got, err := ParsePriority(p.String()); got != p || err != nil {
			t.Errorf("ParsePriority(%q) = %v, %v", p, got, err)
		}
	}
	if s := State(99).String(); s != "State(99)" {
		t.Errorf("State(99) is %q", s)
	}
	if names := fmt.Sprint(Send, CheckConversation, FindMessage); names != "send check-conversation find-message" {
		t.Errorf("the calls are %s", names)
	}
	if got, err := ParsePriority("BULK"); got != Bulk || err != nil {
		t.Errorf(`ParsePriority("BULK") = %v, %v`, got, err)
	}
}

func TestParseUnknownName(t *testing.T) {
	_, err := ParsePriority("urgent")
	const want = `no priority is called "urgent": use one of high, normal, bulk`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if _, err := ParseState(""); err == nil {
		t.Error("an empty state was taken")
	}
}

func TestOpenStates(t *testing.T) {
	open := OpenStates()
	for s := Queued; s <= Shadowed; s++ {
		if s.Open() != (s < Sent) || slices.Contains(open, s) != s.Open() {
			t.Errorf("%v.Open() = %v, and of %v", s, s.Open(), open)
		}
	}
	got, err := ParseStates([]string{"failed", AllOpen})
	if err != nil || !slices.Equal(got, append([]State{Failed}, open...)) {
		t.Errorf("ParseStates: %v, %v", got, err)
	}
}
