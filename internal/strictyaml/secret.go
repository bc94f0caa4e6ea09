package strictyaml

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
	"unicode/utf8"
)

// Secret is a text that must not be seen. However it is printed, marshalled or
// logged, it is ***; only Reveal returns the text. The zero Secret means none.
type Secret struct {
	// A pointer, because fmt prints an unexported field of another package's
	// struct without calling its methods.
	text *string
	file string // the name of the file that it is from, as written; "" if it is from none
	dir  string // where a relative name starts
}

// Reveal returns the secret text, "" if there is none.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// File returns the file that the secret was read from, as it was written, "" if it
// was not read from a file.
func (s Secret) File() string { return s.file }

// Reread returns the secret as it is in its file now, or s itself if it is not from a
// file. The error contains no secret.
func (s Secret) Reread() (Secret, error) {
	if s.file == "" {
		return s, nil
	}
	now, _, err := readSecret(s.dir, s.file)
	return now, err
}

// String returns ***, or "" if there is no secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return "***"
}

// Format prints String for every verb, %#v and %d included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns String; JSON, YAML and XML use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns String to slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// newSecret removes what surrounds a secret in files and variables without belonging
// to it: white space, line ends, a byte order mark and characters without width. The
// rest must be one line of visible characters. The error calls the text what.
func newSecret(what, text string) (Secret, error) {
	if !utf8.ValidString(text) {
		return Secret{}, errors.New(what + " is not UTF-8 text")
	}
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) })
	if text == "" {
		return Secret{}, errors.New(what + " is empty")
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return Secret{}, errors.New(what + " is not one line of text")
	}
	if i := strings.IndexFunc(text, invisible); i >= 0 {
		r, _ := utf8.DecodeRuneInString(text[i:])
		return Secret{}, fmt.Errorf("%s contains an invisible character (%U)", what, r)
	}
	return Secret{text: &text}, nil
}

// invisible reports whether r has no width, such as U+200B and the byte order mark.
func invisible(r rune) bool { return unicode.Is(unicode.Cf, r) }

// RemovePermission is the advice on a file that every user of the machine can read.
const RemovePermission = "remove that permission (chmod o-r)"

// readSecret reads a secret from the file name, which is relative to dir. exposed
// means that every user of the machine can read it. The error does not repeat a
// relative name: it may be the secret itself, written in the wrong place.
func readSecret(dir, name string) (s Secret, exposed bool, err error) {
	path, what := name, name
	if !filepath.IsAbs(name) {
		path, what = filepath.Join(dir, name), "the file"
		if full, err := filepath.Abs(dir); err == nil {
			what = "the file (in " + full + ")"
		}
	}
	text, mode, err := ReadSmall(path)
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err
	}
	if err != nil {
		return Secret{}, false, fmt.Errorf("cannot read %s: %w", what, asUser(err))
	}
	s, err = newSecret(path, string(text)) // the name of a file that exists is no secret
	if err != nil {
		return Secret{}, false, err
	}
	s.file = name
	s.dir = dir
	return s, mode.Perm()&0o004 != 0, nil
}

// AbsentCredential reports whether err is that a file does not exist which systemd passes to a service
// while it runs, and at no other time (LoadCredential= in systemd.exec(5)).
func AbsentCredential(file string, err error) bool {
	return strings.HasPrefix(file, "/run/credentials/") && errors.Is(err, fs.ErrNotExist)
}

// asUser adds who was refused to an error: in a container, a user without a name.
func asUser(err error) error {
	if uid := os.Getuid(); uid >= 0 && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w for user %d", err, uid)
	}
	return err
}

// ReadSmall reads a regular file of at most 64 KiB, and returns its mode. A pipe
// could block, and a device may never end.
func ReadSmall(path string) ([]byte, fs.FileMode, error) {
	const limit = 64 << 10
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("not a regular file")
	case info.Size() > limit:
		return nil, 0, errors.New("larger than 64 KiB")
	}
	text, err := os.ReadFile(path)
	return text, info.Mode(), err
}
