package crash

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"heyrelay/internal/smarthost/smarthosttest"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// smarthostPoints are where the relay kills itself when files leave by a smarthost, in the order in
// which a message passes them.
var smarthostPoints = []string{
	points[0], points[1], points[2], points[3],
	shadowPoints[0], shadowPoints[1], shadowPoints[2], points[5], points[6],
}

// connections is how many transactions with a smarthost a relay has at a time.
const connections = 4

// Each acknowledged message with a file arrives at the smarthost byte for byte, whenever the relay is
// killed, and once: except those whose transaction the kill cut, which may have arrived. SMTP has no
// way to ask for them, so they are sent again, and their attempts say so.
func TestKillSmarthost(t *testing.T) {
	host := smarthosttest.ServeRaw(t, nil)
	k := newKiller(t, *messages/2)
	k.smarthost = host.Address
	k.content = func(i int) string {
		return fmt.Sprintf("Bcc: hidden@example.com\r\nContent-Type: application/pdf; name=%d.pdf\r\n\r\nmail-%d.\r\n", i, i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	sending := k.sendAndKill(ctx, smarthostPoints)
	last := k.start(ctx, "", 0)
	sending.Wait()
	k.awaitSent(ctx)
	_ = last.Process.Signal(syscall.SIGTERM)
	if err := last.Wait(); err != nil {
		t.Errorf("the last relay: %v", err)
	}
	k.wantKills(smarthostPoints)
	k.compareSmarthost(host)
}

// awaitSent waits until nothing is pending any more, or nothing more is sent.
func (k *killer) awaitSent(ctx context.Context) {
	k.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	left := k.messages + 1
	for since := time.Now(); time.Since(since) < patience; <-tick.C {
		n := len(k.pending(ctx))
		if n == 0 {
			return
		}
		if n < left {
			left = n
			since = time.Now()
		}
	}
	k.t.Errorf("still pending: %+v", k.pending(ctx))
}

// compareSmarthost sees that the smarthost has each message, and more than once only what the spool says
// may have been delivered before; and that nothing reached the API.
func (k *killer) compareSmarthost(host *smarthosttest.Raw) {
	k.t.Helper()
	list, err := k.store().List(context.Background(), spool.Filter{Limit: 10 * k.messages})
	if err != nil {
		k.t.Fatal(err)
	}
	doubtful := map[string]bool{}
	for _, e := range list {
		if e.State != spool.Sent.String() || !e.Smarthost {
			k.t.Errorf("%s is %s: %s", e.QueueID, e.State, e.Reason)
		}
		doubtful[e.QueueID] = strings.Contains(e.Reason, "an earlier attempt may have delivered it, too")
	}
	if len(list) != k.messages {
		k.t.Errorf("%d of %d messages are in the spool", len(list), k.messages)
	}
	twice := 0
	for i := range k.messages {
		n := arrived(host, i)
		twice += n - 1
		if n == 0 {
			k.t.Errorf("message %d did not arrive", i)
		}
		if n > 1 && !doubtful[k.idOf(host, i)] {
			k.t.Errorf("message %d arrived %d times, and the spool does not say that it may have", i, n)
		}
	}
	k.t.Logf("%d of %d messages arrived once more", twice, k.messages)
	if most := len(smarthostPoints) * connections; twice > most {
		k.t.Errorf("%d messages arrived twice, a kill explains %d", twice, most)
	}
	for _, content := range host.Contents() {
		if strings.Contains(string(content), "hidden@example.com") {
			k.t.Errorf("the blind recipient shows in\n%s", content)
		}
	}
	if s := k.sandbox.Stats(); s.Calls > 0 {
		k.t.Errorf("the API was called %d times", s.Calls)
	}
}

// idOf returns the queue id of message i, from its Received field.
func (k *killer) idOf(host *smarthosttest.Raw, i int) string {
	for _, content := range host.Contents() {
		if strings.Contains(string(content), fmt.Sprintf("\r\nmail-%d.\r\n", i)) {
			_, rest, _ := strings.Cut(string(content), " id ")
			return strings.Fields(rest)[0]
		}
	}
	return ""
}

// pending returns what is pending in the spool of a relay that runs.
func (k *killer) pending(ctx context.Context) []spool.Entry {
	k.t.Helper()
	r, err := sqlite.OpenReader(filepath.Join(k.dir, "spool.db"))
	if err != nil {
		k.t.Fatal(err)
	}
	defer r.Close()
	list, err := r.List(ctx, spool.Filter{States: spool.OpenStates(), Limit: 10})
	if err != nil {
		k.t.Fatal(err)
	}
	return list
}
