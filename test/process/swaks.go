package process

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Swaks sends a message from app@example.com to the server at address, with swaks's options, and returns the
// dialogue, and an error where a recipient or the message was refused.
func Swaks(t testing.TB, address string, options ...string) (dialogue string, err error) {
	t.Helper()
	Need(t, "swaks")
	options = append([]string{"--server", address, "--from", "app@example.com"}, options...)
	out, err := exec.Command("swaks", options...).CombinedOutput()
	return string(out), err
}

// Attach returns swaks's options that attach a file.
func Attach(t testing.TB, name, kind string, content []byte) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "content")
	write(t, file, string(content))
	return []string{"--attach-type", kind, "--attach-name", name, "--attach", "@" + file}
}
