package relay

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// opener opens sockets: with open, or those that systemd has opened already.
type opener struct {
	open      func(network, address string) (net.Listener, error)
	inherited map[string][]net.Listener // by FileDescriptorName=; nil until one is asked for
}

// listen opens a socket as config.Listener.Network gives it.
func (o *opener) listen(network, address string) (net.Listener, error) {
	switch network {
	case "systemd":
		return o.inherit(address)
	case "unix":
		return o.socket(address)
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
		return nil, fmt.Errorf("systemd has given no socket with FileDescriptorName=%s", name)
	}
	o.inherited[name] = sockets[1:]
	return sockets[0], nil
}

// socket opens a unix socket, in the place of one that a process which was killed
// has left. Who may connect is a matter of the rights on its folder.
func (o *opener) socket(path string) (net.Listener, error) {
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
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func isSocket(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeSocket
}
