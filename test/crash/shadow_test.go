package crash

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"heyrelay/internal/smarthost/smarthosttest"
	"heyrelay/internal/spool"
)

// taken begins the next hop's 250, which the client gets.
const taken = "250 2.0.0 taken as "

// shadowPoints are where the relay kills itself on a route with a shadow, in the order in
// which a message passes them.
var shadowPoints = []string{
	"before it is passed on", "after it was passed on", "after the next hop's 250",
	points[0], points[1], points[2],
}

// A client has a 250 only for what the next hop has, whenever the relay is killed; all of
// that is recorded, and nothing is sent.
func TestKillShadow(t *testing.T) {
	next := smarthosttest.ServeRaw(t, nil)
	k := newKiller(t, *messages/2)
	k.next = next.Address
	k.onAcknowledged = func(i int) {
		if arrived(next, i) == 0 {
			t.Errorf("message %d was acknowledged, and the next hop does not have it", i)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	sending := k.sendAndKill(ctx, shadowPoints)
	last := k.start(ctx, "", 0)
	sending.Wait()
	_ = last.Process.Signal(syscall.SIGTERM)
	_ = last.Wait() // it may not have come so far as to notice
	k.wantKills(shadowPoints)
	k.compareShadow()
}

// arrived returns how often the next hop has message i.
func arrived(next *smarthosttest.Raw, i int) (n int) {
	for _, content := range next.Contents() {
		if strings.Contains(string(content), fmt.Sprintf("\r\nmail-%d.\r\n", i)) {
			n++
		}
	}
	return n
}

// compareShadow sees that each message is recorded, and that nothing reached the API.
func (k *killer) compareShadow() {
	k.t.Helper()
	list, err := k.store().List(context.Background(), spool.Filter{Limit: 10 * k.messages})
	if err != nil {
		k.t.Fatal(err)
	}
	for _, e := range list {
		if e.State != spool.Shadowed.String() {
			k.t.Errorf("%s is %s", e.QueueID, e.State)
		}
	}
	if len(list) != k.messages {
		k.t.Errorf("%d of %d messages are recorded", len(list), k.messages)
	}
	if s := k.sandbox.Stats(); s.Calls > 0 {
		k.t.Errorf("the API was called %d times", s.Calls)
	}
}

// bombNext is a connection to the next hop.
type bombNext struct {
	net.Conn
	b *bomb
}

func (c bombNext) Write(p []byte) (int, error) {
	if string(p) == "DATA\r\n" {
		c.b.pass(shadowPoints[0])
	}
	n, err := c.Conn.Write(p)
	if strings.HasSuffix(string(p), "\r\n.\r\n") {
		c.b.pass(shadowPoints[1])
	}
	return n, err
}

func (c bombNext) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if strings.HasPrefix(string(p[:n]), taken) {
		c.b.pass(shadowPoints[2])
	}
	return n, err
}
