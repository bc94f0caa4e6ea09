package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
myhostname = old.example.com
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtpd_tls_security_level = none
smtp_tls_security_level = none
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
alias_maps =
%[2]s
`

const postfixMaster = `127.0.0.1:%s inet n - n - - smtpd
pickup unix n - n 60 1 pickup
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

// StartPostfix starts a Postfix of the test's own, apart from the machine's, with more lines
// for its main.cf. It ends with the test. It returns its address on loopback, its
// configuration directory and its log file. The test is skipped without Postfix or root,
// which CI has.
func StartPostfix(t testing.TB, more string) (address, config, log string) {
	t.Helper()
	Need(t, "postfix", "smtp-sink")
	if os.Getuid() != 0 {
		t.Skip("Postfix starts as root only")
	}
	dir, err := os.MkdirTemp("", "postfix-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	address = FreeAddress(t)
	config, err = ConfigurePostfix(dir, address, more)
	if err != nil {
		t.Fatal(err)
	}
	command(t, "postfix", "-c", config, "start")
	t.Cleanup(func() {
		if err := StopPostfix(config); err != nil {
			t.Error(err)
		}
	})
	AwaitPort(t, address)
	return address, config, filepath.Join(dir, "log")
}

// ConfigurePostfix makes the directories of a Postfix in dir, apart from the machine's, and its
// configuration: it listens at address, and has more lines in its main.cf. It returns the directory
// of the configuration. It needs root.
func ConfigurePostfix(dir, address, more string) (config string, err error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	config = filepath.Join(dir, "etc")
	for _, d := range []string{"etc", "spool", "data"} {
		err := os.Mkdir(filepath.Join(dir, d), 0o755)
		if err != nil {
			return "", err
		}
	}
	out, err := exec.Command("chown", "postfix", filepath.Join(dir, "data")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("chown: %w\n%s", err, out)
	}
	return config, errors.Join(
		os.Chmod(dir, 0o755), //nolint:gosec // Postfix's own user enters it
		os.WriteFile(filepath.Join(config, "main.cf"), fmt.Appendf(nil, postfixMain, dir, more), 0o644),
		os.WriteFile(filepath.Join(config, "master.cf"), fmt.Appendf(nil, postfixMaster, port), 0o644),
	)
}

// stopTime is how long a Postfix may take to stop.
const stopTime = 20 * time.Second

// StopPostfix stops the Postfix that ConfigurePostfix has configured. One that does not end is killed: while it
// stops, its programs write to a log that none of them reads any more, and can wait for that for ever.
func StopPostfix(config string) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	stop := exec.CommandContext(ctx, "postfix", "-c", config, "stop")
	stop.WaitDelay = time.Second // what it started has its output open, too
	out, err := stop.CombinedOutput()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("postfix stop: %w\n%s", err, out)
	pid, noPID := os.ReadFile(filepath.Join(filepath.Dir(config), "spool", "pid", "master.pid"))
	if noPID != nil {
		return errors.Join(err, noPID)
	}
	out, killed := exec.Command("kill", "-KILL", "--", "-"+strings.TrimSpace(string(pid))).CombinedOutput()
	if killed != nil {
		return errors.Join(err, fmt.Errorf("kill: %w\n%s", killed, out))
	}
	return nil
}

// StartSink starts smtp-sink, which writes each mail to a file in the directory that it
// returns, with its address.
func StartSink(t testing.TB, options ...string) (address, dir string) {
	t.Helper()
	Need(t, "smtp-sink")
	dir, err := os.MkdirTemp("", "sink-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		options = append(options, "-u", "nobody")
		command(t, "chown", "nobody", dir)
	}
	address = FreeAddress(t)
	p := Start(t, "smtp-sink", append(options, "-d", filepath.Join(dir, "%M."), address, "100")...)
	t.Cleanup(p.Kill)
	AwaitPort(t, address)
	return address, dir
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// AwaitPort waits until something listens on an address.
func AwaitPort(t testing.TB, address string) {
	t.Helper()
	Await(t, func() error {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return fmt.Errorf("nothing listens: %w", err)
		}
		return c.Close()
	})
}
