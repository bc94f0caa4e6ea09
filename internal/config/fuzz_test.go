package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"heyrelay/internal/config"
	"heyrelay/internal/strictyaml"
)

// FuzzParse wants no panic, problems of one line each, and of what parses a
// masked form that parses to the same.
func FuzzParse(f *testing.F) {
	cases, _ := filepath.Glob("testdata/*.yaml")
	for _, path := range cases {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(config.Example())
	name := filepath.Join(f.TempDir(), "heyrelay.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(name, data, lookup(nil))
		if err != nil {
			var problems strictyaml.Errors
			if !errors.As(err, &problems) || strings.Count(err.Error(), "\n") != len(problems)-1 {
				t.Errorf("not one line for each problem: %q", err)
			}
			return
		}
		again, err := config.Parse(name, c.Masked(), lookup(nil))
		if err != nil {
			t.Fatalf("the masked configuration does not parse: %v\n%s", err, c.Masked())
		}
		if !bytes.Equal(again.Masked(), c.Masked()) {
			t.Errorf("the masked configuration changed from\n%s\nto\n%s", c.Masked(), again.Masked())
		}
	})
}
