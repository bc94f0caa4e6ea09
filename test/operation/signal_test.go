package operation

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"heyrelay/test/process"
)

// patience is how long a reply may take before a test fails.
const patience = 30 * time.Second

// session is an SMTP session, command by command.
type session struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, address string) *session {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, conn: conn, in: bufio.NewReader(conn)}
	s.expect("220 ")
	return s
}

// do sends a command and expects a reply.
func (s *session) do(command, reply string) {
	s.t.Helper()
	if _, err := io.WriteString(s.conn, command+"\r\n"); err != nil {
		s.t.Fatal(err)
	}
	s.expect(reply)
}

// expect reads a reply, which must begin with prefix.
func (s *session) expect(prefix string) {
	s.t.Helper()
	line, err := s.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, prefix) {
		s.t.Fatalf("reply %q (%v), want %q", line, err, prefix)
	}
}

// beginMessage begins a message and leaves it open.
func (s *session) beginMessage() {
	s.t.Helper()
	s.do("HELO app", "250 ")
	s.do("MAIL FROM:<app@example.com>", "250 ")
	s.do("RCPT TO:<ann@example.com>", "250 ")
	s.do("DATA", "354 ")
	if _, err := io.WriteString(s.conn, "Subject: half a message\r\n"); err != nil {
		s.t.Fatal(err)
	}
}

// SIGTERM ends the process within shutdown_timeout, whatever clients do. Those that
// are cut get 421 and are counted in the log; the exit code is 0.
func TestTerminate(t *testing.T) {
	r := process.StartRelay(t, process.Build(t), "shutdown_timeout: 1s\n")
	idle, busy := dial(t, r.SMTP), dial(t, r.SMTP)
	idle.do("HELO app", "250 ")
	busy.beginMessage()
	r.Serve.Signal(syscall.SIGTERM)
	idle.expect("421 4.3.2 ")
	busy.expect("421 4.3.2 ")
	if code := r.Serve.Ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out := r.Serve.Output(); !strings.Contains(out, `msg=stopped reason="1 open transaction was cut`) {
		t.Error("the log does not count what was cut")
	}
}

// SIGTERM does not wait for the time limit of API calls. The call that is cut is
// repeated after a restart, with the same local_id.
func TestTerminateCutsCalls(t *testing.T) {
	h := startHouse(t)
	calls := make(chan string)
	h.gate.hang(calls)
	send(t, h.smtp, 1)
	cut := <-calls
	if code := h.process.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out := h.process.Output(); !strings.Contains(out, "the call was cancelled") {
		t.Error("the call was not cut")
	}
	h.gate.hang(nil)
	h.start()
	all := process.AwaitMessages(t, h.gate.url, 1)
	if len(all) != 1 || !strings.Contains(cut, all[0].Request.LocalID) {
		t.Errorf("%+v, want one message with the local_id of %s", all, cut)
	}
}

// SIGTERM while nothing is open ends at once, and the log says that nothing was cut.
func TestTerminateIdle(t *testing.T) {
	r := process.StartRelay(t, process.Build(t))
	if code := r.Serve.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out := r.Serve.Output(); !strings.Contains(out, `msg=stopped reason="all transactions were completed"`) {
		t.Error("the log does not report the end")
	}
}

// The process outlives the reader of its log: mail goes on, and SIGTERM ends it
// properly.
func TestLogReaderDies(t *testing.T) {
	r := process.StartRelay(t, process.Build(t))
	r.Serve.Stop()
	log, err := startPiped(t, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.reader.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		send(t, r.SMTP, i)
	}
	process.AwaitMessages(t, r.API, 3)
	if err := log.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := log.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// piped is a serve whose log goes into a pipe.
type piped struct {
	cmd    *exec.Cmd
	reader *os.File
}

// startPiped starts serve, and returns when it listens.
func startPiped(t *testing.T, r *process.Relay) (*piped, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(r.Binary, "serve", "-c", r.Config)
	cmd.Env = process.Environment()
	cmd.Stderr = writer
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	_ = writer.Close()
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "msg=listening") {
			return &piped{cmd: cmd, reader: reader}, nil
		}
	}
	return nil, fmt.Errorf("serve ended: %w", lines.Err())
}

// send sends message i.
func send(t *testing.T, address string, i int) {
	t.Helper()
	if err := submit(address, i); err != nil {
		t.Fatal(err)
	}
}

// submit submits message i.
func submit(address string, i int) error {
	to := fmt.Sprintf("c%d@example.com", i)
	text := fmt.Sprintf("To: %s\r\nSubject: Mail %d\r\nMessage-ID: <%d@app>\r\n\r\nHello.\r\n", to, i, i)
	return smtp.SendMail(address, nil, "app@example.com", []string{to}, []byte(text))
}
