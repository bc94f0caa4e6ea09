package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"heyrelay/internal/config"
	"heyrelay/internal/strictyaml"
)

const hidden = "SECRETSECRET"

// withSecret is a configuration whose one secret is hidden.
func withSecret(t *testing.T) *config.Config {
	const text = "teams: {shop: {api_key: \"${SECRET}\"}}\nroutes: [{inbox: 202, creator_id: 55}]\n"
	c, err := config.Parse("heyrelay.yaml", []byte(text), lookup(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Teams["shop"].APIKey.Reveal(); got != hidden {
		t.Fatalf("the secret is %q", got)
	}
	return c
}

// TestSecretIsNeverPrinted prints a configuration in every way that a program
// might by mistake.
func TestSecretIsNeverPrinted(t *testing.T) {
	c := withSecret(t)
	secret := c.Teams["shop"].APIKey
	behind := struct{ unexported strictyaml.Secret }{secret}
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T %[1]v"} {
		fmt.Fprintf(&b, verb+"\n", secret)
		fmt.Fprintf(&b, verb+"\n", &secret)
		fmt.Fprintf(&b, verb+"\n", behind)
		fmt.Fprintf(&b, verb+"\n", c)
		fmt.Fprintf(&b, verb+"\n", *c)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("text", "secret", secret, "config", c)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("json", "secret", secret, "config", c)
	marshalYAML := func(v any) ([]byte, error) { return yaml.Marshal(v) }
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, marshalYAML} {
		text, err := marshal(c)
		if err != nil {
			t.Error(err)
		}
		b.Write(text)
	}
	b.Write(c.Masked())
	forms := []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprint(string([]byte(hidden)))}
	for _, form := range forms {
		if strings.Contains(b.String(), form) {
			t.Errorf("the secret is printed as %s", form)
		}
	}
	if !strings.Contains(b.String(), "***") {
		t.Error("nothing stands for the secret")
	}
	if got := fmt.Sprintf("%v|%q|%#v", strictyaml.Secret{}, strictyaml.Secret{}, strictyaml.Secret{}); got != "||" {
		t.Errorf("no secret is printed as %s", got)
	}
}

// TestLoad reads a file with a key file and a spool in the same directory.
func TestLoad(t *testing.T) {
	dir := keys(t)
	path := filepath.Join(dir, "heyrelay.yaml")
	const text = "teams: {shop: {secrets: [{id: a, key_file: key}]}}\nroutes: [{inbox: 202, creator_id: 55}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Teams["shop"].Secrets[0].Key.Reveal(); got != hidden {
		t.Errorf("the key is %q, want it without its line end", got)
	}
	if want := "sqlite:" + filepath.Join(dir, "heyrelay.db"); c.Spool.URL != want {
		t.Errorf("the spool is %s, want %s", c.Spool.URL, want)
	}
}

// TestLoadNothing wants one clear line if there is no file.
func TestLoadNothing(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "cannot read the configuration: no such file or directory; name a readable file",
		dir:                             "cannot read the configuration: is a directory; name a readable file",
	} {
		if _, err := config.Load(path); err == nil || err.Error() != path+": "+want {
			t.Errorf("got %v, want %s: %s", err, path, want)
		}
	}
}

// TestTooLarge refuses what cannot be meant: a spool, say, for a configuration.
func TestTooLarge(t *testing.T) {
	_, err := config.Parse("heyrelay.db", make([]byte, 2<<20), lookup(nil))
	if err == nil || !strings.Contains(err.Error(), "heyrelay.db: the file is too large for a configuration") {
		t.Error(err)
	}
}

// TestSecretsAreTrimmed wants a secret without what an editor put around it, and a
// password with the spaces within it.
func TestSecretsAreTrimmed(t *testing.T) {
	dir := keys(t)
	for file, want := range map[string]string{"bom": "SECRETSECRET", "blank": "SECRET SECRET"} {
		text := "teams: {shop: {api_key_file: key}}\nroutes: [{inbox: 202, creator_id: 55}]\n" +
			"bounces: {smarthost: \"smtp://127.0.0.1:25\", user: a, password_file: " + file + "}\n"
		c, err := config.Parse(filepath.Join(dir, "heyrelay.yaml"), []byte(text), lookup(nil))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if got := c.Bounces.Password.Reveal(); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// TestWithoutSecrets reads a configuration whose secrets are not there, for a program that uses none.
func TestWithoutSecrets(t *testing.T) {
	const text = "teams: {shop: {secrets: [{id: a, key: \"${KEY}\"}, {id: b, key_file: \"${DIR}/key\"}]}, " +
		"club: {api_key_file: key}}\n" +
		"users: [{name: redmine, password_hash: \"${HASH}\"}]\n" +
		"routes: [{inbox: 202, creator_id: 55, team: shop}]\n"
	path := filepath.Join(t.TempDir(), "heyrelay.yaml")
	none := func(string) (string, bool) { return "", false }
	c, err := config.Parse(path, []byte(text), none, config.WithoutSecrets)
	if err != nil {
		t.Fatal(err)
	}
	var warnings strings.Builder
	for _, w := range c.Warnings() {
		fmt.Fprintln(&warnings, w)
	}
	for _, missing := range []string{"KEY is not set", "DIR is not set", "HASH is not set", "cannot read the file"} {
		if !strings.Contains(warnings.String(), missing) {
			t.Errorf("no warning that %s:\n%s", missing, warnings.String())
		}
	}
	for _, options := range [][]config.Option{nil, {config.WithoutCredentials}} {
		_, err := config.Parse(path, []byte(text), none, options...)
		if err == nil || strings.Count(err.Error(), "\n") != 3 {
			t.Errorf("with %d options: %v", len(options), err)
		}
	}
	_, err = config.Parse(path, []byte(text+"hostname: \"${HOST}\"\n"), none, config.WithoutSecrets)
	if err == nil || !strings.Contains(err.Error(), "variable HOST is not set") {
		t.Errorf("what is no secret: %v", err)
	}
}

// TestReread reads a key file again after it was replaced.
func TestReread(t *testing.T) {
	dir := keys(t)
	text := "teams: {shop: {secrets: [{id: a, key_file: key}]}}\nroutes: [{inbox: 202, creator_id: 55}]\n"
	c, err := config.Parse(filepath.Join(dir, "heyrelay.yaml"), []byte(text), lookup(nil))
	if err != nil {
		t.Fatal(err)
	}
	key := c.Teams["shop"].Secrets[0].Key
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("rotated\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := key.Reread()
	if err != nil || again.Reveal() != "rotated" || key.Reveal() != hidden {
		t.Errorf("%q, %v; the first is %q", again.Reveal(), err, key.Reveal())
	}
	if err := os.Remove(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	if _, err := key.Reread(); err == nil {
		t.Error("a file that is gone is read")
	}
}
