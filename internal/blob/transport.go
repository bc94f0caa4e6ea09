package blob

import (
	"context"
	"net"
	"net/http"
	"time"
)

// stall is how long a connection to a store may be silent while something is expected of it.
const stall = 30 * time.Second

// newTransport returns a transport whose connections end when they stall, however long a transfer takes.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return impatient{conn}, nil
		},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        stall / 2,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // an object is its octets
	}
}

// impatient is a connection that fails when it stalls.
type impatient struct{ net.Conn }

// Read reads octets that come in time.
func (c impatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write writes octets that leave in time, from when on the answer has its time.
func (c impatient) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
