package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// Secret is a text that nobody may see. However it is printed, marshalled or
// logged, it is ***; Reveal alone gives the text. The zero Secret is none.
type Secret struct {
	// A pointer, because fmt prints what stands behind an unexported field of
	// somebody else's struct without asking its methods.
	text *string
	file string // where it was read from, as written; "" where not from a file
}

// Reveal gives the secret text, "" where there is none.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// String gives ***, or "" where there is no secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return "***"
}

// Format prints String for every verb, %#v and %d included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText gives String, and with it JSON, YAML and XML do.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue gives String to slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// newSecret takes text without the white space around it, such as the line end
// of a file. What is left must be one line. The error calls the text what.
func newSecret(what, text string) (Secret, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Secret{}, errors.New(what + " is empty")
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return Secret{}, errors.New(what + " is not one line of text")
	}
	return Secret{text: &text}, nil
}

// readSecret reads a secret from the file name, which is relative to dir. exposed
// says that every user of the machine can read it. The error does not repeat a
// relative name: it may be the secret itself, written in the wrong place.
func readSecret(dir, name string) (s Secret, exposed bool, err error) {
	path, what := name, name
	if !filepath.IsAbs(name) {
		path, what = filepath.Join(dir, name), "the file"
		if full, err := filepath.Abs(dir); err == nil {
			what = "the file (looked for in " + full + ")"
		}
	}
	text, mode, err := readSmall(path)
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err
	}
	if err != nil {
		return Secret{}, false, fmt.Errorf("cannot read %s: %w", what, err)
	}
	if s, err = newSecret(what, string(text)); err != nil {
		return Secret{}, false, err
	}
	s.file = name
	return s, mode.Perm()&0o004 != 0, nil
}

// readSmall reads a regular file that is as small as a secret is: a pipe could
// block and a device never end.
func readSmall(path string) ([]byte, fs.FileMode, error) {
	const limit = 64 << 10
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("it is no regular file")
	case info.Size() > limit:
		return nil, 0, errors.New("it is too large for a secret")
	}
	text, err := os.ReadFile(path)
	return text, info.Mode(), err
}
