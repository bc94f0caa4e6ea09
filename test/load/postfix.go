package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync/atomic"

	"heyrelay/test/process"
)

// postfix is a Postfix of its own, apart from the machine's, with smtp-sink
// behind it.
type postfix struct {
	address   string
	dir       string
	config    string
	sink      *exec.Cmd
	delivered atomic.Int64
}

// forLoad is filled with the port of the sink.
const forLoad = `relayhost = [127.0.0.1]:%s
default_process_limit = 100
default_destination_concurrency_limit = 64
initial_destination_concurrency = 64
smtpd_client_connection_count_limit = 0`

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
	_, sinkPort, _ := net.SplitHostPort(sink)
	p.config, err = process.ConfigurePostfix(dir, p.address, fmt.Sprintf(forLoad, sinkPort))
	if err != nil {
		return nil, err
	}
	if err := p.startSink(sink); err != nil {
		return nil, err
	}
	if out, err := exec.Command("postfix", "-c", p.config, "start").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("postfix start: %w\n%s", err, out)
	}
	return p, answers(sink, p.address)
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
	_ = exec.Command("postfix", "-c", p.config, "stop").Run() // it may not have been started
	if p.sink != nil && p.sink.Process != nil {
		_ = p.sink.Process.Kill()
		_ = p.sink.Wait()
	}
	_ = os.RemoveAll(p.dir)
}
