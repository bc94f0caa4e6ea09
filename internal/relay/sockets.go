package relay

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
)

// endpoint is an address at which a configuration has the relay listen.
type endpoint struct {
	path             string // of its key, such as listeners[0]
	network, address string // as config.Listener.Network returns them
	nth              int    // of the same address in this configuration, from 1
}

// forFiles reports whether its connections are bounded as those of anybody, see fileListener.
func (e endpoint) forFiles() bool { return e.path == filesPath }

// key names the socket: one that two configurations in a row have stays open.
func (e endpoint) key() string {
	key := fmt.Sprintf("%s:%s %d", e.network, e.address, e.nth)
	if e.forFiles() {
		key += " " + filesPath
	}
	return key
}

// number sets nth of all.
func number(all []endpoint) []endpoint {
	n := map[string]int{}
	for i, e := range all {
		n[e.key()]++
		all[i].nth = n[e.key()]
	}
	return all
}

// sockets are the open listeners of one kind. Those of a Relay that does not run are open, and
// not served.
type sockets struct {
	listen func(endpoint) (net.Listener, error)
	serve  func(key string, l net.Listener) (retire func()) // retire closes l before it returns

	serving sync.WaitGroup // what serve has started, if its owner does not wait for it

	mu      sync.Mutex
	open    []*socket // in the order of the configuration
	running bool
}

// socket is an open listener.
type socket struct {
	endpoint
	net.Listener
	retire func() // nil while it is not served
}

// change is what becomes of sockets with a new configuration. One of commit and undo must follow.
type change struct {
	sockets *sockets
	next    []*socket // in the order of the configuration
	opened  []*socket // those of them that are new
	gone    []*socket // those that the configuration has no more
	closed  []*socket // those of them whose port is needed
}

// change opens what is in the list and not open yet.
func (s *sockets) change(to []endpoint) (*change, error) {
	s.mu.Lock()
	c := &change{sockets: s, gone: slices.Clone(s.open)}
	s.mu.Unlock()
	for _, e := range to {
		same := func(o *socket) bool { return o.key() == e.key() }
		if i := slices.IndexFunc(c.gone, same); i >= 0 {
			c.next = append(c.next, &socket{e, c.gone[i].Listener, c.gone[i].retire})
			c.gone = slices.Delete(c.gone, i, i+1)
			continue
		}
		c.next = append(c.next, &socket{endpoint: e})
	}
	for _, o := range c.next {
		if o.Listener != nil {
			continue
		}
		if err := c.open(o); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w%s", o.path, err, hint(o.network, err)), c.undo())
		}
	}
	return c, nil
}

// open opens a socket. One that the configuration has no more is closed before its end where it
// has the port on another of the machine's addresses.
func (c *change) open(o *socket) (err error) {
	o.Listener, err = c.sockets.listen(o.endpoint)
	if errors.Is(err, syscall.EADDRINUSE) {
		c.makeWay(o.endpoint)
		o.Listener, err = c.sockets.listen(o.endpoint)
	}
	if err == nil {
		c.opened = append(c.opened, o)
	}
	return err
}

func (c *change) makeWay(e endpoint) {
	_, port, err := net.SplitHostPort(e.address)
	if err != nil { // the path of a unix socket, which is nobody's port
		return
	}
	for _, g := range c.gone {
		_, other, _ := net.SplitHostPort(g.address)
		if g.network == e.network && port == other && !slices.Contains(c.closed, g) {
			g.close()
			c.closed = append(c.closed, g)
		}
	}
}

// commit serves what was opened, and closes what the configuration has no more.
func (c *change) commit() {
	c.sockets.mu.Lock()
	defer c.sockets.mu.Unlock()
	c.sockets.open = c.next
	for _, o := range c.opened {
		c.sockets.start(o)
	}
	for _, g := range c.gone {
		if !slices.Contains(c.closed, g) {
			g.close()
		}
	}
}

// undo closes what was opened, and opens again what was closed. What cannot be opened again is left to
// the next change.
func (c *change) undo() (err error) {
	c.sockets.mu.Lock()
	defer c.sockets.mu.Unlock()
	for _, o := range c.opened {
		err = errors.Join(err, o.Close())
	}
	for _, o := range c.closed {
		l, failed := c.sockets.listen(o.endpoint)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s cannot be opened again: %w", o.path, failed))
			lost := func(s *socket) bool { return s == o }
			c.sockets.open = slices.DeleteFunc(c.sockets.open, lost)
			continue
		}
		o.Listener = l
		c.sockets.start(o)
	}
	return err
}

// run serves what is open, and what will be.
func (s *sockets) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = true
	for _, o := range s.open {
		s.start(o)
	}
}

func (s *sockets) start(o *socket) {
	if s.running {
		o.retire = s.serve(o.key(), o.Listener)
	}
}

// close closes all.
func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.open {
		o.close()
	}
	s.open = nil
}

func (o *socket) close() {
	if o.retire != nil {
		o.retire()
		return
	}
	_ = o.Close()
}

// addr returns the address of what a key of the configuration has opened, nil if that is nothing.
func (s *sockets) addr(path string) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.open {
		if o.path == path {
			return o.Addr()
		}
	}
	return nil
}

// addrs returns the addresses of what is open, in the order of the configuration.
func (s *sockets) addrs() (all []net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.open {
		all = append(all, o.Addr())
	}
	return all
}

// hint says what to do about a socket that cannot be opened.
func hint(network string, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; choose another address or stop the program that uses it"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; choose an address of this machine"
	case errors.Is(err, syscall.EACCES) && network == "unix":
		return "; let heyrelay's user write to its directory"
	case errors.Is(err, syscall.EACCES):
		return "; choose a port above 1023, or let the service open this one (CAP_NET_BIND_SERVICE)"
	}
	return ""
}
