// Package process starts the real heyrelay for tests that stand outside of it:
// the binary that users get, with files, signals and sockets.
package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a process may take to do what a test waits for.
const patience = 40 * time.Second

// Build compiles heyrelay without cgo, as it is released, and returns the binary's path. Go's cache keeps
// what go run links, so that all packages of tests share one build; go build would link for each.
func Build(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "heyrelay")
	// This runs "cp EXECUTABLE binary".
	cmd := exec.Command("go", "run", "-trimpath", "-exec", "cp", "heyrelay/cmd/heyrelay", binary)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go run -exec cp: %v\n%s", err, out)
	}
	return binary
}

// Process is a running heyrelay. It is killed when the test ends.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	lines []string
	grown *sync.Cond
	ended bool
}

// Start runs binary with args. Its output can be waited for.
func Start(t testing.TB, binary string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.grown = sync.NewCond(&p.mu)
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.Env = Environment()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(r)
	go func() {
		_ = p.cmd.Wait() // tests check ProcessState
		w.Close()
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(args, " "), p.Output())
		}
	})
	return p
}

// Environment is this process's, without what would configure a heyrelay.
func Environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "HEYRELAY_") {
			env = append(env, e)
		}
	}
	return env
}

func (p *Process) read(r io.Reader) {
	defer close(p.done)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		p.grown.Broadcast()
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.ended = true
	p.grown.Broadcast()
	p.mu.Unlock()
}

// Output is all that it has said so far.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// Await waits for a line that pattern matches and returns its first group.
func (p *Process) Await(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.AfterFunc(patience, func() {
		p.mu.Lock()
		p.ended = true
		p.grown.Broadcast()
		p.mu.Unlock()
	})
	defer late.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 0; ; {
		for ; i < len(p.lines); i++ {
			if m := re.FindStringSubmatch(p.lines[i]); m != nil {
				return m[len(m)-1]
			}
		}
		if p.ended {
			p.t.Fatalf("no line matches %q in\n%s", pattern, strings.Join(p.lines, "\n"))
		}
		p.grown.Wait()
	}
}

// Kill ends it with SIGKILL and waits for its end.
func (p *Process) Kill() { p.signal(syscall.SIGKILL) }

// Stop ends it with SIGTERM, waits for its end and returns the exit code.
func (p *Process) Stop() int {
	p.signal(syscall.SIGTERM)
	return p.cmd.ProcessState.ExitCode()
}

func (p *Process) signal(s os.Signal) {
	p.Signal(s)
	<-p.done
}

// Signal sends it a signal and does not wait.
func (p *Process) Signal(s os.Signal) {
	_ = p.cmd.Process.Signal(s) // it may have ended by itself
}

// Ended waits for the process to end by itself and returns the exit code.
func (p *Process) Ended() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// PID is its number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// FreeAddress is FindAddress for a test.
func FreeAddress(t testing.TB) string {
	t.Helper()
	address, err := FindAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// FindAddress returns an address on loopback that nothing listens on. Its port is none of those that a
// system gives to who asks for any, so that nobody else gets it meanwhile.
func FindAddress() (string, error) {
	const first, last = 10_000, 30_000
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first))
		l, err := net.Listen("tcp", address)
		if err == nil {
			_ = l.Close() // it was opened
			return address, nil
		}
	}
	return "", errors.New("no port is free")
}

// Relay is a running serve with a sandbox behind it.
type Relay struct {
	Serve  *Process
	Binary string
	Config string // file
	SMTP   string // address
	API    string // base URL
	Dir    string
}

// relayHead is filled with the listener and the API.
const relayHead = `
hostname: relay.example.com
listeners: [{address: %q}]
heymarket: {base_url: %q}
`

const relayRest = `
teams:
  shop:
    secrets: [{id: demo, key_file: key}]
    rate: 6000000/min
    concurrency: 64
routes:
  - {inbox: 202, creator_id: 55, attachments: drop}
spool: {url: "sqlite:spool.db", min_free: 1MB}
`

// StartSandbox runs a sandbox without a rate limit and returns its base URL.
func StartSandbox(t testing.TB, binary string) string {
	t.Helper()
	return Start(t, binary, "sandbox", "--address", "127.0.0.1:0", "--rate", "0").Await(`sandbox .* (http://\S+)`)
}

// StartRelay runs a sandbox without a rate limit and a serve in front of it, with
// more configuration where given.
func StartRelay(t testing.TB, binary string, more ...string) *Relay {
	t.Helper()
	return StartRelayWith(t, binary, relayRest+strings.Join(more, ""))
}

// StartRelayWith is StartRelay with teams, routes and all else as rest says. The file key holds a key.
func StartRelayWith(t testing.TB, binary, rest string) *Relay {
	t.Helper()
	r := &Relay{Binary: binary, Dir: t.TempDir(), SMTP: FreeAddress(t)}
	r.API = StartSandbox(t, binary)
	r.Config = filepath.Join(r.Dir, "heyrelay.yaml")
	write(t, filepath.Join(r.Dir, "key"), "not-a-secret")
	write(t, r.Config, fmt.Sprintf(relayHead, r.SMTP, r.API)+rest)
	r.Restart(t)
	return r
}

// Restart starts serve, again where it was started before.
func (r *Relay) Restart(t testing.TB) {
	t.Helper()
	r.Serve = Start(t, r.Binary, "serve", "-c", r.Config)
	r.Serve.Await(`msg=listening`)
}

// Command runs a command of heyrelay beside serve, and returns what it says.
func (r *Relay) Command(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(r.Binary, append(args, "-c", r.Config)...)
	cmd.Env = Environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("heyrelay %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Message is what the sandbox accepted.
type Message struct {
	ID      int64   `json:"id"`
	ConvoID int64   `json:"convo_id"`
	Request Request `json:"request"`
}

// Request is the body of the POST.
type Request struct {
	Inbox     int64    `json:"inbox"`
	CreatorID int64    `json:"creator_id"`
	Text      string   `json:"text"`
	RawText   string   `json:"raw_text"`
	LocalID   string   `json:"local_id"`
	ConvTitle string   `json:"conv_title"`
	Targets   []string `json:"targets"`
	ConvoID   int64    `json:"convo_id"`
}

// Messages asks the sandbox at base for what it accepted.
func Messages(t testing.TB, base string) []Message {
	t.Helper()
	response, err := http.Get(base + "/sandbox/messages")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var all []Message
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// AwaitMessages waits until the sandbox has n messages.
func AwaitMessages(t testing.TB, base string, n int) (all []Message) {
	t.Helper()
	Await(t, func() error {
		all = Messages(t, base)
		if len(all) < n {
			return fmt.Errorf("the sandbox has %d messages, want %d", len(all), n)
		}
		return nil
	})
	return all
}

// Await waits until happened returns nil. If that takes too long, or the test has failed meanwhile, the test ends
// with its error.
func Await(t testing.TB, happened func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		err := happened()
		if err == nil {
			return
		}
		if t.Failed() {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatal(err)
		}
	}
}

// Need skips the test where a program is missing, and fails it in CI.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: run make deps", p)
		}
		t.Skipf("%s is missing: run make deps", p)
	}
}
