package operation

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"heyrelay/test/process"
)

// inState counts the requests in a state.
func inState(t *testing.T, r *process.Relay, state string) int {
	t.Helper()
	return strings.Count(r.Command(t, "queue", "list", "--json", "--limit", "10000", "--state", state), "\n")
}

// awaitNone waits until no request is in a state.
func awaitNone(t *testing.T, r *process.Relay, state string) {
	t.Helper()
	process.Await(t, func() error {
		if n := inState(t, r, state); n > 0 {
			return fmt.Errorf("%d requests stay %s", n, state)
		}
		return nil
	})
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
	r.Command(t, "queue", "hold", "--route", "inbox-202", "--reason", "maintenance")
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
	out := r.Command(t, "queue", "release", "--route", "inbox-202")
	if !strings.HasPrefix(out, "route inbox-202 released\n") {
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
