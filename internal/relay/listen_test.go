package relay

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A socket that a killed process has left is replaced, one in use is not, and what
// is no socket is never removed.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "smtp.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	_ = left.Close()

	o := opener{open: net.Listen}
	l, err := o.listen(endpoint{network: "unix", address: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v: the folder's rights are to decide", info.Mode(), err)
	}
	if _, err := o.listen(endpoint{network: "unix", address: path}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a socket in use: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := o.listen(endpoint{network: "unix", address: file}); err == nil {
		t.Error("a file was replaced")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "keep" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestSystemdGaveNothing(t *testing.T) {
	o := opener{open: net.Listen}
	_, err := o.listen(endpoint{network: "systemd", address: "smtp", nth: 1})
	if err == nil || !strings.Contains(err.Error(), "FileDescriptorName=smtp") {
		t.Error(err)
	}
}
