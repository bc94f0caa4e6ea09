package clients

import (
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heyrelay/test/process"
)

// systemdConfig listens on a socket that is handed over.
const systemdConfig = `
listeners: [{address: "systemd:submission", allow: [127.0.0.0/8]}]
teams: {shop: {secrets: [{id: demo, key_file: key}]}}
routes: [{inbox: 202, creator_id: 55}]
spool: {url: "sqlite:DIR/spool.db", min_free: 1MB}
heymarket: {base_url: "http://127.0.0.1:9"}
`

// heyrelay serves a socket that was opened before it ran, and notifies the service manager when it is ready and
// when it begins to stop.
func TestSystemd(t *testing.T) {
	process.Need(t, "sh")
	dir, binary := t.TempDir(), process.Build(t)
	config := strings.ReplaceAll(systemdConfig, "DIR", dir)
	for name, text := range map[string]string{"key": "not-a-secret", "heyrelay.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	manager := filepath.Join(dir, "notify")
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: manager, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()

	serve := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" serve -c heyrelay.yaml`, binary)
	serve.Dir, serve.ExtraFiles = dir, []*os.File{socket}
	serve.Env = append(process.Environment(), "LISTEN_FDS=1", "LISTEN_FDNAMES=submission", "NOTIFY_SOCKET="+manager)
	serve.Stderr = os.Stderr
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serve.Process.Kill() }() // where the test fails
	_ = socket.Close()
	_ = listener.Close()

	notified := func(want string) {
		t.Helper()
		buf := make([]byte, 100)
		if err := notify.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := notify.Read(buf)
		if err != nil || string(buf[:n]) != want {
			t.Fatalf("notified of %q, %v, want %q", buf[:n], err, want)
		}
	}
	notified("READY=1")
	address, mail := listener.Addr().String(), []byte("Subject: Hello\r\n\r\nHi.\r\n")
	err = smtp.SendMail(address, nil, "app@example.com", []string{"alice@example.com"}, mail)
	if err != nil {
		t.Error(err)
	}
	if err := serve.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	notified("STOPPING=1")
	if err := serve.Wait(); err != nil {
		t.Error(err)
	}
}
