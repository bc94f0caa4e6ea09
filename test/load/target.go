package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"heyrelay/test/process"
)

// target is a server under test, with what stands behind it.
type target struct {
	name    string
	address string // SMTP
	pid     int
	behind  behind
	close   func()
}

// behind is where a target's mail ends: it counts what comes.
type behind interface {
	forget() error
	count() (int, error) // messages that came since then
	arrived() (arrived, error)
}

// api is a sink of the API in a process of its own.
type api struct {
	*child
	url string
}

func startAPI(latency time.Duration) (api, error) {
	c, address, err := startOwn("sink", "--latency", latency.String())
	return api{c, "http://" + address}, err
}

func (a api) forget() error {
	response, err := http.Post(a.url+"/forget", "", nil)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func (a api) get(path string) ([]byte, error) {
	response, err := http.Get(a.url + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

func (a api) count() (int, error) {
	text, err := a.get("/count")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

func (a api) arrived() (all arrived, err error) {
	text, err := a.get("/arrived")
	if err != nil {
		return arrived{}, err
	}
	return all, json.Unmarshal(text, &all)
}

// settings of a heyrelay under test: the defaults but for the rate, unless a row needs others.
type settings struct {
	name    string        // of the target
	binary  string        // heyrelay
	team    string        // more keys of the team: ", concurrency: 256"
	route   string        // and of the route
	rate    string        // instead of one that never makes anybody wait
	latency time.Duration // of the API
	spool   string        // file, "" for a new one
}

// heyrelayConfig is the default, with metrics, and the log in a file.
const heyrelayConfig = `
hostname: relay.example.com
listeners: [{address: %q}]
heymarket: {base_url: %q}
teams: {load: {secrets: [{id: demo, key_file: key}], rate: %s%s}}
routes: [{team: load, inbox: 202, creator_id: 55%s}]
spool: {url: "sqlite:%s"}
metrics: {address: %q}
`

// startHeyrelay starts a serve in front of an API.
func startHeyrelay(s settings) (*target, error) {
	dir, err := os.MkdirTemp("", "heyrelay-load-")
	if err != nil {
		return nil, err
	}
	var serve *child
	var a api
	t := &target{name: s.name, close: func() {
		serve.kill()
		a.kill()
		_ = os.RemoveAll(dir)
	}}
	a, err = startAPI(s.latency)
	if err != nil {
		t.close()
		return nil, err
	}
	t.behind = a
	t.address, err = process.FindAddress()
	if err == nil {
		serve, err = s.serve(dir, t.address, a.url)
	}
	if err == nil {
		err = awaitListener(t.address)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	t.pid = serve.pid()
	return t, nil
}

// serve writes a configuration into dir, and starts a serve.
func (s settings) serve(dir, address, url string) (*child, error) {
	if s.spool == "" {
		s.spool = filepath.Join(dir, "spool.db")
	}
	if s.rate == "" {
		s.rate = "6000000/min"
	}
	metrics, err := process.FindAddress()
	if err != nil {
		return nil, err
	}
	config := fmt.Appendf(nil, heyrelayConfig, address, url, s.rate, s.team, s.route, s.spool, metrics)
	file := filepath.Join(dir, "heyrelay.yaml")
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "key"), []byte("not-a-secret"), 0o600),
		os.WriteFile(file, config, 0o600),
	)
	if err != nil {
		return nil, err
	}
	return startChild(filepath.Join(dir, "log"), s.binary, "serve", "-c", file)
}

// startDiscard starts the bound.
func startDiscard() (*target, error) {
	c, address, err := startOwn("discard")
	if err != nil {
		return nil, err
	}
	return &target{name: bound, address: address, pid: c.pid(), close: c.kill}, nil
}

// startGateway starts a synchronous gateway in front of an API.
func startGateway(latency time.Duration) (*target, error) {
	a, err := startAPI(latency)
	if err != nil {
		return nil, err
	}
	c, address, err := startOwn("gateway", "--api", a.url)
	if err != nil {
		a.kill()
		return nil, err
	}
	return &target{name: gateway, address: address, pid: c.pid(), behind: a, close: func() {
		c.kill()
		a.kill()
	}}, nil
}

// postfixConfig is filled with the port of the sink. No limit of Postfix's may be lower than the clients are.
const postfixConfig = `relayhost = [127.0.0.1]:%s
default_process_limit = 100
default_destination_concurrency_limit = 64
initial_destination_concurrency = 64
smtpd_client_connection_count_limit = 0`

// postfixMissing returns why no Postfix can be started here, nil if one can.
func postfixMissing() error {
	if os.Getuid() != 0 {
		return errors.New("only root can start one")
	}
	for _, program := range []string{"postfix", "smtp-sink"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	return nil
}

// startPostfix starts a Postfix apart from the machine's, with smtp-sink behind it.
func startPostfix() (*target, error) {
	dir, err := os.MkdirTemp("", "postfix-load-")
	if err != nil {
		return nil, err
	}
	var sink *child
	var config string
	t := &target{name: postfix, behind: &postfixLog{file: filepath.Join(dir, "log")}, close: func() {
		_ = process.StopPostfix(config) // it may not have been started
		sink.kill()
		_ = os.RemoveAll(dir)
	}}
	sinkAddress, err := process.FindAddress()
	if err == nil {
		sink, err = startChild("", "smtp-sink", "-u", "nobody", sinkAddress, "1000")
	}
	if err == nil {
		t.address, err = process.FindAddress()
	}
	if err == nil {
		config, err = runPostfix(dir, t.address, sinkAddress)
	}
	if err == nil {
		err = errors.Join(awaitListener(sinkAddress), awaitListener(t.address))
	}
	if err == nil {
		t.pid, err = postfixMaster(dir)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func runPostfix(dir, address, sink string) (config string, err error) {
	_, port, err := net.SplitHostPort(sink)
	if err != nil {
		return "", err
	}
	config, err = process.ConfigurePostfix(dir, address, fmt.Sprintf(postfixConfig, port))
	if err != nil {
		return "", err
	}
	out, err := exec.Command("postfix", "-c", config, "start").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("postfix start: %w\n%s", err, out)
	}
	return config, nil
}

// postfixMaster reads the number of Postfix's first process.
func postfixMaster(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "spool/pid/master.pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(bytes.TrimSpace(text)))
}

// postfixLog is what Postfix says that it delivered: smtp-sink counts messages only, and not by id.
type postfixLog struct {
	file string
	from int64 // forgotten before
	read int64 // counted before
	n    int
	last time.Time
}

var delivered = []byte(" status=sent ")

func (p *postfixLog) forget() error {
	info, err := os.Stat(p.file)
	if err != nil {
		return err
	}
	p.from, p.read, p.n = info.Size(), info.Size(), 0
	return nil
}

// since returns the whole lines of the log from an offset on.
func (p *postfixLog) since(offset int64) ([]byte, error) {
	f, err := os.Open(p.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, offset, 1<<40))
	return text[:bytes.LastIndexByte(text, '\n')+1], err
}

func (p *postfixLog) count() (int, error) {
	text, err := p.since(p.read)
	if n := bytes.Count(text, delivered); n > 0 {
		p.n += n
		p.last = time.Now()
	}
	p.read += int64(len(text))
	return p.n, err
}

func (p *postfixLog) arrived() (arrived, error) {
	text, err := p.since(p.from)
	all := arrived{IDs: map[string]int{}, Last: p.last}
	for line := range bytes.Lines(text) {
		_, to, _ := bytes.Cut(line, []byte(" to=<"))
		id, _, found := bytes.Cut(to, []byte("@"+domain))
		if found && bytes.Contains(line, delivered) {
			all.IDs[string(id)]++
		}
	}
	return all, err
}
