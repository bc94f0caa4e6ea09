package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
)

// postfix is a Postfix of its own, apart from the machine's, with smtp-sink
// behind it.
type postfix struct {
	address   string
	dir       string
	sink      *exec.Cmd
	delivered atomic.Int64
}

const mainCf = `compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
myhostname = relay.example.com
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = [127.0.0.1]:%[2]s
smtp_dns_support_level = disabled
smtpd_tls_security_level = none
smtp_tls_security_level = none
default_process_limit = 100
default_destination_concurrency_limit = 64
initial_destination_concurrency = 64
smtpd_client_connection_count_limit = 0
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
alias_maps =
`

const masterCf = `127.0.0.1:%s inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

func startPostfix() (_ *postfix, err error) {
	if os.Getuid() != 0 {
		return nil, errors.New("this is not root")
	}
	for _, program := range []string{"postfix", "smtp-sink"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "postfix-load-")
	if err != nil {
		return nil, err
	}
	p := &postfix{dir: dir}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	sink, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p.address, err = freeAddress()
	if err != nil {
		return nil, err
	}
	if err := p.configure(sink); err != nil {
		return nil, err
	}
	if err := p.startSink(sink); err != nil {
		return nil, err
	}
	if out, err := exec.Command("postfix", "-c", p.config(), "start").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("postfix start: %w\n%s", err, out)
	}
	return p, answers(sink, p.address)
}

func (p *postfix) config() string { return filepath.Join(p.dir, "etc") }

func (p *postfix) configure(sink string) error {
	_, sinkPort, _ := net.SplitHostPort(sink)
	_, port, _ := net.SplitHostPort(p.address)
	for _, d := range []string{"etc", "spool", "data"} {
		if err := os.Mkdir(filepath.Join(p.dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(p.dir, 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("chown", "postfix", filepath.Join(p.dir, "data")).CombinedOutput(); err != nil {
		return fmt.Errorf("chown: %w\n%s", err, out)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(p.config(), "main.cf"), fmt.Appendf(nil, mainCf, p.dir, sinkPort), 0o644),
		os.WriteFile(filepath.Join(p.config(), "master.cf"), fmt.Appendf(nil, masterCf, port), 0o644),
	)
}

// startSink starts smtp-sink, which prints running counts.
func (p *postfix) startSink(address string) error {
	p.sink = exec.Command("smtp-sink", "-c", "-u", "nobody", address, "1000")
	out, err := p.sink.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.sink.Start(); err != nil {
		return err
	}
	go p.read(out) // ends with the sink
	return nil
}

// counted is what smtp-sink prints, over and over.
var counted = regexp.MustCompile(`mesg=(\d+)`)

func (p *postfix) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Split(atReturn)
	for lines.Scan() {
		if m := counted.FindSubmatch(lines.Bytes()); m != nil {
			n, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits
			p.delivered.Store(n)
		}
	}
}

// atReturn splits at carriage returns.
func atReturn(data []byte, atEOF bool) (advance int, token []byte, err error) {
	for i, b := range data {
		if b == '\r' || b == '\n' {
			return i + 1, data[:i], nil
		}
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func (p *postfix) Name() string            { return "Postfix" }
func (p *postfix) Address() string         { return p.address }
func (p *postfix) Delivered() (int, error) { return int(p.delivered.Load()), nil }

// Close ends Postfix and the sink.
func (p *postfix) Close() {
	_ = exec.Command("postfix", "-c", p.config(), "stop").Run() // it may not have been started
	if p.sink != nil && p.sink.Process != nil {
		_ = p.sink.Process.Kill()
		_ = p.sink.Wait()
	}
	_ = os.RemoveAll(p.dir)
}
