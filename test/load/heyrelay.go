package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// heyrelay is a serve with a sandbox behind it.
type heyrelay struct {
	address, api string
	dir          string
	processes    []*exec.Cmd
}

const heyrelayConfig = `
hostname: relay.example.com
listeners: [{address: %q}]
heymarket: {base_url: "http://%s"}
teams: {load: {secrets: [{id: demo, key_file: key}], rate: 6000000/min, concurrency: 64}}
routes: [{inbox: 202, creator_id: 55}]
spool: {url: "sqlite:%s", min_free: 1MB}
log: {level: error}
`

func startHeyrelay() (_ *heyrelay, err error) {
	dir, err := os.MkdirTemp("", "heyrelay-load-")
	if err != nil {
		return nil, err
	}
	h := &heyrelay{dir: dir}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	h.address, err = freeAddress()
	if err != nil {
		return nil, err
	}
	h.api, err = freeAddress()
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(dir, "heyrelay")
	build := exec.Command("go", "build", "-o", binary, "heyrelay/cmd/heyrelay")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	config := fmt.Sprintf(heyrelayConfig, h.address, h.api, filepath.Join(dir, "spool.db"))
	for name, text := range map[string]string{"key": "not-a-secret", "heyrelay.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if err := h.start(binary, "sandbox", "--address", h.api, "--rate", "0"); err != nil {
		return nil, err
	}
	if err := h.start(binary, "serve", "-c", filepath.Join(dir, "heyrelay.yaml")); err != nil {
		return nil, err
	}
	return h, answers(h.api, h.address)
}

func (h *heyrelay) start(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	h.processes = append(h.processes, cmd)
	return cmd.Start()
}

func (h *heyrelay) Name() string    { return "heyrelay" }
func (h *heyrelay) Address() string { return h.address }

// Delivered asks the sandbox.
func (h *heyrelay) Delivered() (int, error) {
	response, err := http.Get("http://" + h.api + "/sandbox/stats")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	var stats struct{ Accepted int }
	return stats.Accepted, json.NewDecoder(strings.NewReader(string(text))).Decode(&stats)
}

// Close ends the processes.
func (h *heyrelay) Close() {
	for _, p := range h.processes {
		if p.Process != nil {
			_ = p.Process.Kill() // it may have ended
			_ = p.Wait()
		}
	}
	_ = os.RemoveAll(h.dir)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// answers waits until something listens on each address.
func answers(addresses ...string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for _, a := range addresses {
		for {
			c, err := net.Dial("tcp", a)
			if err == nil {
				_ = c.Close()
				break
			}
			select {
			case <-tick.C:
			case <-late:
				return err
			}
		}
	}
	return nil
}
