package config

import (
	"os"
	"strings"
	"testing"
)

// TestVariablesAreExplained wants each variable in the README, in full or after another
// one with its prefix omitted.
func TestVariablesAreExplained(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variables() {
		full, short := "`"+prefix+v.Name+"`", "`_"+v.Name+"`"
		if !strings.Contains(string(text), full) && !strings.Contains(string(text), short) {
			t.Errorf("README.md does not explain %s%s", prefix, v.Name)
		}
	}
}
