package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"heyrelay/internal/config"
	"heyrelay/smtpd"
)

// listen opens the listeners of the configuration.
func (r *Relay) listen(open func(network, address string) (net.Listener, error)) error {
	sockets := opener{open: open}
	secure, err := r.tlsConfig()
	if err != nil {
		return err
	}
	for i, l := range r.cfg.Listeners {
		name := fmt.Sprintf("listeners[%d]", i)
		opened, err := sockets.listen(l.Network())
		if err != nil {
			return fmt.Errorf("%s: %w%s", name, err, hint(err))
		}
		key := func(of string) string { return r.cfg.Key(name + "." + of) }
		listener := smtpd.Listener{Listener: opened, Name: name, Key: key, Allow: l.Allow.Prefixes()}
		if l.TLS != config.TLSNone {
			listener.TLS = secure
			listener.Implicit = l.TLS == config.TLSImplicit
		}
		r.listeners = append(r.listeners, listener)
	}
	return nil
}

// hint says what to do about a socket that cannot be opened.
func hint(err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return "; choose another address or stop the program that uses it"
	}
	return ""
}

// tlsConfig returns what listeners with TLS use; nil without a certificate.
func (r *Relay) tlsConfig() (*tls.Config, error) {
	t := r.cfg.TLS
	if t.Certificate == "" {
		return nil, nil
	}
	certificate, err := smtpd.LoadCertificate(t.Certificate, t.Key, func(err error) {
		r.recordError("the changed certificate could not be loaded, the previous one remains in use", err)
	})
	if err != nil {
		return nil, err
	}
	r.certificate = certificate
	return &tls.Config{
		GetCertificate: certificate.Get,
		MinVersion:     t.Version(),
		CipherSuites:   t.CipherSuites(),
	}, nil
}

// opener opens sockets, or takes those that systemd has opened.
type opener struct {
	open      func(network, address string) (net.Listener, error)
	inherited map[string][]net.Listener // by FileDescriptorName=; nil until the first is needed
}

// listen opens a socket; network and address are those of config.Listener.Network.
func (o *opener) listen(network, address string) (net.Listener, error) {
	switch network {
	case "systemd":
		return o.inherit(address)
	case "unix":
		return o.socket(address, 0o666)
	}
	return o.open(network, address)
}

// inherit takes a socket that systemd has opened (sd_listen_fds(3)).
func (o *opener) inherit(name string) (net.Listener, error) {
	if o.inherited == nil {
		all, err := activation.ListenersWithNames()
		if err != nil {
			return nil, err
		}
		o.inherited = all
	}
	sockets := o.inherited[name]
	if len(sockets) == 0 || sockets[0] == nil {
		return nil, fmt.Errorf("systemd passed no socket with FileDescriptorName=%s", name)
	}
	o.inherited[name] = sockets[1:]
	return sockets[0], nil
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
