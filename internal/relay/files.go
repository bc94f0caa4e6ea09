package relay

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync"

	"heyrelay/internal/access"
	"heyrelay/internal/fileserver"
)

// filesPath is the key of the listener that serves files.
const filesPath = "blobs.listen"

// filesPage makes the file server of a set-up.
func (r *Relay) filesPage(s *setup, secure *tls.Config) page {
	b := s.cfg.Blobs
	server := fileserver.New(fileserver.Options{
		Links:   s.links,
		Find:    r.store.File,
		Missing: r.store.Missing,
		Store:   s.blobs,
		Slots:   &r.downloads,
		Limit:   fileserver.Limit{Total: b.Downloads, PerAddress: b.DownloadsPerAddress},
		Proxy:   access.Proxy{Networks: b.Proxies.Prefixes()},
		Sink:    r.sink,
		Now:     r.now,
	})
	return page{handler: server, tls: pageTLS(b.TLS, secure)}
}

// FilesAddr returns the address of the listener that serves files; nil without one.
func (r *Relay) FilesAddr() net.Addr { return r.pages.addr(filesPath) }

// The bounds of the listener that serves files, which anybody may reach.
const (
	maxFiles           = 2048      // connections at a time: more than blobs.downloads can be
	maxFilesPerAddress = 64        // of one address that is no proxy: more than downloads_per_address can be
	filesBuffer        = 256 << 10 // octets on the way to a client: with more, a slow one seems to take nothing
)

// fileListener bounds the connections of each address. Those of a proxy are of many clients.
type fileListener struct {
	net.Listener
	proxied func(netip.Addr) bool
	open    access.Counts
}

// Accept implements net.Listener. A connection too many is closed.
func (l *fileListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(filesBuffer) // or the client is given less time
		}
		client, _ := netip.ParseAddrPort(c.RemoteAddr().String())
		if l.proxied(client.Addr()) {
			return c, nil
		}
		address := client.Addr().Unmap()
		if l.open.Add(address, maxFilesPerAddress) {
			return &countedConn{Conn: c, closed: func() { l.open.Remove(address) }}, nil
		}
		_ = c.Close()
	}
}

// countedConn says once that it was closed.
type countedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}
