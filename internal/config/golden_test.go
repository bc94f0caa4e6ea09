package config_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/config"
)

var update = flag.Bool("update", false, "write the golden files and config.example.yaml")

// TestGolden loads each case of testdata. Beside NN-name.yaml (or NN-name.env, an
// environment) stands NN-name.want: the errors, or the warnings and what differs
// from the defaults. One case shows the defaults too, so that a new key changes that
// file and config.example.yaml only.
func TestGolden(t *testing.T) {
	cases, _ := filepath.Glob("testdata/*.yaml")
	environments, _ := filepath.Glob("testdata/*.env")
	for _, path := range append(cases, environments...) {
		name := strings.TrimSuffix(path, filepath.Ext(path))
		t.Run(filepath.Base(name), func(t *testing.T) {
			dir := keys(t)
			c, err := loadCase(t, dir, path)
			got := shown(c, err, filepath.Base(name) == withDefaults)
			if c != nil {
				checkMasked(t, filepath.Join(base(dir, path), "heyrelay.yaml"), c)
			}
			if filepath.Ext(path) == ".env" {
				checkAdvice(t, got)
			}
			if strings.Contains(got, "SECRET"+"SECRET") {
				t.Error("a secret is printed")
			}
			compare(t, name+".want", plainly(got, dir))
		})
	}
	if len(cases) < 40 {
		t.Errorf("%d cases found, at least 40 are there", len(cases))
	}
}

// withDefaults is the case that shows the defaults.
const withDefaults = "01-smallest"

// keys makes a folder with files of secrets, good and bad.
func keys(t *testing.T) string {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"key":       "SECRETSECRET\n",
		"hook":      "whsec_" + strings.Repeat("SECRETSECRET", 4) + "\n",
		"open":      "SECRETSECRET",
		"empty":     " \n",
		"lines":     "SECRETSECRET\nmore\n",
		"bom":       "\ufeff SECRETSECRET\u200b\r\n",
		"utf16":     "\xff\xfeS\x00E\x00C\x00R\x00E\x00T\x00",
		"zerowidth": "SECRET\u200bSECRET\n",
		"blank":     "SECRET SECRET\n",
		"umlaut":    "SECRÄT\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writeCertificate(t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), time.Now().Add(100*24*time.Hour))
	past := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	writeCertificate(t, filepath.Join(dir, "old-cert.pem"), filepath.Join(dir, "old-key.pem"), past)
	for name, text := range map[string]string{
		"htpasswd": "# comment\n\nann:" + hash + "\nbob:" + hash + "\n",
		"costly":   "eve:$2y$15$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui\n",
		"badusers": "ann:$apr1$SECRETSECRET\n",
		"twice":    "redmine:" + hash + "\n",
		"noname":   "SECRETSECRET SECRETSECRET\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "open"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeCertificate makes a certificate that is valid until end.
func writeCertificate(t *testing.T, certificate, key string, end time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.AddDate(-1, 0, 0), NotAfter: end}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: public},
		key:         {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// checkAdvice wants problems and warnings of an environment to name variables.
func checkAdvice(t *testing.T, got string) {
	for line := range strings.Lines(got) {
		if !strings.Contains(line, "; ") {
			continue // configuration
		}
		key := regexp.MustCompile(`\b(listeners|tls|users|limits|heymarket|teams|` +
			`routes|delivery|spool|blobs|bounces|events|metrics|log)[.\[_]`)
		if found := key.FindString(line); found != "" {
			t.Errorf("%q names the key %s", line, found)
		}
	}
}

// base is where relative file names of a case start: dir, or for an environment the
// working directory.
func base(dir, path string) string {
	if filepath.Ext(path) == ".env" {
		return "."
	}
	return dir
}

// hash is any valid password hash.
const hash = "$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"

// loadCase reads a case as if it stood in dir. A line "# env NAME=value" of a
// YAML case sets a variable.
func loadCase(t *testing.T, dir, path string) (*config.Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(path) == ".env" {
		return config.FromEnvironment(strings.Split(strings.ReplaceAll(string(data), "DIR", dir), "\n"))
	}
	env := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if assignment, ok := strings.CutPrefix(line, "# env "); ok {
			name, value, _ := strings.Cut(strings.TrimSpace(assignment), "=")
			env[name] = value
		}
	}
	return config.Parse(filepath.Join(dir, "heyrelay.yaml"), data, lookup(env))
}

// lookup is an environment of some variables, and those that env has.
func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		switch name {
		case "SECRET":
			return "SECRETSECRET", true
		case "EMPTY":
			return "", true
		case "INBOX":
			return "202", true
		case "TEAM":
			return "shop", true
		}
		value, ok := env[name]
		return value, ok
	}
}

// shown is what a user sees of a configuration.
func shown(c *config.Config, err error, defaults bool) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, line := range c.Warnings() {
		b.WriteString("# warning: " + line + "\n")
	}
	if defaults {
		return b.String() + string(c.Masked())
	}
	return b.String() + string(c.Changed())
}

// plainly takes out what differs from machine to machine.
func plainly(got, dir string) string {
	got = strings.ReplaceAll(got, dir+"/", "")
	got = strings.ReplaceAll(got, dir, "DIR")
	host, _ := os.Hostname()
	for _, name := range []string{host, "localhost"} {
		got = strings.Replace(got, "hostname: "+name+"\n", "hostname: MACHINE\n", 1)
	}
	return got
}

// checkMasked checks that what is printed can be read again.
func checkMasked(t *testing.T, file string, c *config.Config) {
	masked := strings.ReplaceAll(string(c.Masked()), `password_hash: "***"`, `password_hash: "`+hash+`"`)
	again, err := config.Parse(file, []byte(masked), lookup(nil))
	if err != nil {
		t.Fatalf("the masked configuration does not parse: %v\n%s", err, c.Masked())
	}
	if !bytes.Equal(again.Masked(), c.Masked()) {
		t.Errorf("the masked configuration changed from\n%s\nto\n%s", c.Masked(), again.Masked())
	}
}

// compare compares got with the file want; with -update it writes the file.
func compare(t *testing.T, want, got string) {
	t.Helper()
	wanted, err := os.ReadFile(want)
	if err == nil && string(wanted) == got {
		return
	}
	if *update {
		if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("got\n%s\nwant\n%s", got, wanted)
}
