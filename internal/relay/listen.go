package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/smtpd"
)

// listeners returns where SMTP is served, and who may send there.
func listeners(cfg *config.Config, secure *tls.Config) ([]endpoint, map[string]smtpd.Access) {
	var all []endpoint
	for i, l := range cfg.Listeners {
		network, address := l.Network()
		all = append(all, endpoint{path: fmt.Sprintf("listeners[%d]", i), network: network, address: address})
	}
	access := map[string]smtpd.Access{}
	for i, e := range number(all) {
		l := cfg.Listeners[i]
		a := smtpd.Access{Name: e.path, Key: hints(cfg, e.path), Allow: l.Allow.Prefixes()}
		if l.TLS != config.TLSNone {
			a.TLS = secure
			a.Implicit = l.TLS == config.TLSImplicit
		}
		access[e.key()] = a
	}
	return all, access
}

// hints returns what the operator calls a part of a listener.
func hints(cfg *config.Config, path string) func(string) string {
	return func(of string) string { return cfg.Key(path + "." + of) }
}

// serveSMTP serves a listener until it is retired, or the server shuts down. That it fails ends
// the relay.
func (r *Relay) serveSMTP(key string, l net.Listener) (retire func()) {
	wait := r.server.Serve(smtpd.Listener{Listener: l, ID: key})
	r.running.Go(func() {
		if err := wait(); err != nil {
			r.fail(err)
		}
	})
	r.recordListening(l)
	return func() { r.server.Retire(key) }
}

// recordListening records that a listener, of SMTP or of pages, is served from now on.
func (r *Relay) recordListening(l net.Listener) {
	r.sink.Record(events.Event{Kind: events.Listening, Time: r.now(), Address: l.Addr().String()})
}

// tlsConfig returns what listeners with TLS use; nil without a certificate.
func (r *Relay) tlsConfig(t config.TLS) (*tls.Config, error) {
	if t.Certificate == "" {
		return nil, nil
	}
	certificate, err := smtpd.LoadCertificate(t.Certificate, t.Key, func(err error) {
		r.recordError("the changed certificate could not be loaded; the previous one remains in use", err)
	})
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		GetCertificate: certificate.Get,
		MinVersion:     t.Version(),
		CipherSuites:   t.CipherSuites(),
	}, nil
}

// opener opens sockets, or takes those that systemd has opened. These stay open with it, so that
// a later configuration can have them again.
type opener struct {
	open func(network, address string) (net.Listener, error)

	once      sync.Once
	inherited []*os.File // from systemd; their names are those of FileDescriptorName=
}

// listen opens the socket of an endpoint.
func (o *opener) listen(e endpoint) (net.Listener, error) {
	switch e.network {
	case "systemd":
		return o.inherit(e.address, e.nth)
	case "unix":
		return o.socket(e.address, 0o666)
	}
	return o.open(e.network, e.address)
}

// inherit takes the nth socket of a name that systemd has opened (sd_listen_fds(3)).
func (o *opener) inherit(name string, nth int) (net.Listener, error) {
	o.once.Do(func() { o.inherited = activation.Files(true) })
	for _, f := range o.inherited {
		if f.Name() != name {
			continue
		}
		nth--
		if nth == 0 {
			return net.FileListener(f) // with a file descriptor of its own
		}
	}
	return nil, fmt.Errorf("systemd passed no socket with FileDescriptorName=%s; start its socket unit, or name host:port",
		name)
}

// socket opens a unix socket, and replaces one that a killed process left behind.
// Its mode and the permissions of its directory decide who may connect.
func (o *opener) socket(path string, mode fs.FileMode) (net.Listener, error) {
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) && isSocket(path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := o.open("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func isSocket(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeSocket
}
