package operation

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// health runs heyrelay health, and returns what it prints and its exit code.
func health(t *testing.T, binary, config string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"health", "-c", config}, args...)...)
	cmd.Env = process.Environment()
	text, _ := cmd.Output() // the exit code is the answer
	return string(text), cmd.ProcessState.ExitCode()
}

// Health follows the relay: it serves, it is degraded while a team is on hold, and it
// is not serving when it has ended.
func TestHealth(t *testing.T) {
	h := startHouse(t)
	check := func(want string, code int, args ...string) {
		t.Helper()
		out, got := health(t, h.binary, h.config, args...)
		if got != code || !strings.HasPrefix(out, want) {
			t.Errorf("health %v: exit code %d, %q, want %d, %q", args, got, out, code, want)
		}
	}
	check("serving\n", 0)
	check("serving\n", 0, "--strict")
	h.gate.accept("old", "another-key")
	send(t, h.smtp, 1)
	h.process.Await("msg=held")
	check("degraded\n  team shop is on hold since ", 0)
	check("degraded\n", 3, "--strict")
	out, _ := health(t, h.binary, h.config, "--json")
	var answer struct {
		Status  string
		Reasons []string
		Pending int
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	if answer.Status != "degraded" || len(answer.Reasons) != 1 || answer.Pending != 1 {
		t.Errorf("%+v", answer)
	}
	h.process.Stop()
	check("not serving\n  listeners[0]: ", 1)
}

// A relay that starts with less free space than spool.min_free says so in its log,
// and is not serving.
func TestHealthWithoutSpace(t *testing.T) {
	h := startHouse(t)
	h.process.Stop()
	h.write("heyrelay.yaml", strings.Replace(h.text("heyrelay.yaml"), "min_free: 1MB", "min_free: 1000000GB", 1))
	h.start()
	out, code := health(t, h.binary, h.config)
	const want = "not serving\n  the spool accepts no mail: "
	if code != 1 || !strings.HasPrefix(out, want) || !strings.Contains(out, "spool.min_free") {
		t.Errorf("exit code %d, %q", code, out)
	}
	h.process.Stop()
	if !strings.Contains(h.process.Output(), `msg=error reason="the spool accepts no mail`) {
		t.Error("the log does not say so")
	}
}
