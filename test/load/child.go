package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// child is a process that was started here.
type child struct{ cmd *exec.Cmd }

// startChild starts a program whose log goes to a file, "" for this program's standard error.
func startChild(log, name string, args ...string) (*child, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	if log != "" {
		file, err := os.Create(log)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		cmd.Stderr = file
	}
	return &child{cmd}, cmd.Start()
}

// startOwn starts this program with a command that serves, and returns its address too.
func startOwn(args ...string) (*child, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	c := &child{cmd}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.kill()
		return nil, "", fmt.Errorf("%q printed no address: %w", args, err)
	}
	return c, strings.TrimSpace(address), nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// kill ends the process, if there is one.
func (c *child) kill() {
	if c != nil && c.cmd.Process != nil {
		_ = c.cmd.Process.Kill() // it may have ended
		_ = c.cmd.Wait()
	}
}

// buildHeyrelay builds heyrelay as it is released, and more options of go build.
func buildHeyrelay(dir string, options ...string) (string, error) {
	binary := filepath.Join(dir, "heyrelay")
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", binary}, options...)...)
	cmd.Args = append(cmd.Args, "heyrelay/cmd/heyrelay")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// awaitListener waits until something listens on an address.
func awaitListener(address string) error {
	for late := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(late) {
			return err
		}
		<-time.After(time.Millisecond)
	}
}
