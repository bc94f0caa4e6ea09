package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDefaultConfig wants the machine's configuration file to be read if it exists and
// no other is named, and variables only if it does not.
func TestDefaultConfig(t *testing.T) {
	dir := t.TempDir()
	system := filepath.Join(dir, "system.yaml")
	named := filepath.Join(dir, "named.yaml")
	key := filepath.Join(dir, "key")
	for file, text := range map[string]string{
		key:    "sesame",
		system: "{teams: {shop: {api_key_file: key}}, routes: [{inbox: 1, creator_id: 1, name: system}]}",
		named:  "{teams: {shop: {api_key_file: key}}, routes: [{inbox: 1, creator_id: 1, name: named}]}",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := []string{"HEYRELAY_INBOX=1", "HEYRELAY_CREATOR_ID=1", "HEYRELAY_API_KEY_FILE=" + key}
	for _, c := range []struct{ name, file, system, want string }{
		{"named", named, system, "named"},
		{"not named", "", system, "system"},
		{"nowhere", "", filepath.Join(dir, "none.yaml"), "inbox-1"},
	} {
		cfg, err := configured{File: c.file}.load(&program{environ: environ, systemConfig: c.system})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := cfg.Routes[0].Name; got != c.want {
			t.Errorf("%s: the route is %s, want %s", c.name, got, c.want)
		}
	}
}
