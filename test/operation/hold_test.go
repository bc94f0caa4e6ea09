package operation

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"heyrelay/test/process"
)

// queue runs a queue command beside the relay and returns what it prints.
func queue(t *testing.T, r *process.Relay, args ...string) string {
	t.Helper()
	cmd := exec.Command(r.Binary, append([]string{"queue", args[0], "-c", r.Config}, args[1:]...)...)
	cmd.Env = process.Environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("queue %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// inState counts the requests in a state.
func inState(t *testing.T, r *process.Relay, state string) int {
	t.Helper()
	return strings.Count(queue(t, r, "list", "--json", "--limit", "10000", "--state", state), "\n")
}

// awaitNone waits until no request is in a state.
func awaitNone(t *testing.T, r *process.Relay, state string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for inState(t, r, state) > 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("requests stay %s", state)
		}
	}
}

// load sends messages from first on, several at a time.
func load(t *testing.T, address string, first, n int) *sync.WaitGroup {
	const clients = 4
	var running sync.WaitGroup
	for c := range clients {
		running.Go(func() {
			for i := first + c; i < first+n; i += clients {
				if err := submit(address, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	return &running
}

// An operator holds a route under load: SMTP goes on, nothing is sent but what was
// active, a restart changes nothing, and the release sends everything once.
func TestHoldUnderLoad(t *testing.T) {
	const before, during = 200, 100
	r := process.StartRelay(t, process.Build(t))
	running := load(t, r.SMTP, 0, before)
	process.AwaitMessages(t, r.API, 10)
	queue(t, r, "hold", "--route", "inbox-202", "--reason", "maintenance")
	running.Wait()
	r.Serve.Await(`msg=held .*by an operator: maintenance`)
	awaitNone(t, r, "active")
	sent := len(process.Messages(t, r.API))
	load(t, r.SMTP, before, during).Wait()
	check := func() {
		t.Helper()
		if n := inState(t, r, "held"); n != before+during-sent {
			t.Errorf("%d are held and %d were sent, of %d", n, sent, before+during)
		}
		if n := len(process.Messages(t, r.API)); n != sent {
			t.Errorf("%d messages were sent of a route on hold", n-sent)
		}
	}
	check()
	if code := r.Serve.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Restart(t)
	check()
	if out := queue(t, r, "release", "--route", "inbox-202"); !strings.HasPrefix(out, "route inbox-202 released\n") {
		t.Errorf("release prints %q", out)
	}
	titles := map[string]int{}
	for _, m := range process.AwaitMessages(t, r.API, before+during) {
		titles[m.Request.ConvTitle]++
	}
	for i := range before + during {
		if n := titles[fmt.Sprintf("Mail %d", i)]; n != 1 {
			t.Errorf("message %d was sent %d times", i, n)
		}
	}
	awaitNone(t, r, "waiting")
}
