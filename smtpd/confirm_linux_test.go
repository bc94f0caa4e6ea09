package smtpd

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// A reply that was written, but did not reach the client, is not confirmed.
func TestNotConfirmed(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "tls"} {
		t.Run(network, func(t *testing.T) {
			var confirmed, written atomic.Int32
			gone, entered := make(chan struct{}), make(chan struct{})
			handler := &recorder{reply: func(_ context.Context, env *Envelope) Reply {
				close(entered)
				<-gone
				r := queued(env)
				r.Confirmed = func() { confirmed.Add(1) }
				r.Written = func() { written.Add(1) }
				return r
			}}
			access := Access{Allow: loopback}
			if network == "tls" {
				access.TLS = tlsConfig(t)
				access.Implicit = true
			}
			h := openOn(t, listenOn(t, network), access, Settings{}, handler)
			dialled, err := net.Dial(h.listener.Addr().Network(), h.listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, dialled)
			if network == "tls" && !c.encrypt() {
				t.Fatal("no TLS")
			}
			c.begin()
			c.put(".\r\n")
			<-entered
			_ = dialled.Close()
			close(gone)
			h.stop(t)
			if n := confirmed.Load(); n != 0 {
				t.Errorf("confirmed %d times, written %d times", n, written.Load())
			}
		})
	}
}

// listenOn listens on a unix socket, or else on a loopback port.
func listenOn(t *testing.T, network string) net.Listener {
	t.Helper()
	address := filepath.Join(t.TempDir(), "smtp")
	if network != "unix" {
		network, address = "tcp", "127.0.0.1:0"
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skip(err)
	}
	return l
}

// A client that closes without reading the reply from a unix socket has not received it, and
// one that half-closes and reads it later has.
func TestConfirmedUnix(t *testing.T) {
	for name, want := range map[string]int32{"read": 1, "read after half-close": 1, "not read": 0} {
		t.Run(name, func(t *testing.T) {
			var confirmed atomic.Int32
			replied := make(chan struct{})
			handler := &recorder{reply: func(_ context.Context, env *Envelope) Reply {
				r := queued(env)
				r.Confirmed = func() { confirmed.Add(1) }
				r.Written = func() { close(replied) }
				return r
			}}
			l := listenOn(t, "unix")
			h := openOn(t, l, Access{}, Settings{}, handler)
			dialled, err := net.Dial("unix", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, dialled)
			c.begin()
			c.put(".\r\n")
			switch name {
			case "read":
				c.want("250 ")
			case "read after half-close":
				_ = dialled.(*net.UnixConn).CloseWrite()
				<-replied
				c.want("250 ", "<closed>")
			default:
				<-replied
			}
			_ = dialled.Close()
			h.stop(t)
			if n := confirmed.Load(); n != want {
				t.Errorf("confirmed %d times, want %d", n, want)
			}
		})
	}
}
