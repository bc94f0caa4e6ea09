package heymarket

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// idlePerHost is the number of idle connections: four teams at the default
// concurrency of 64. All of them go to one host.
const idlePerHost = 256

// NewTransport returns a transport that keeps enough connections for several
// teams at once. Share one among all clients of a process, and call its
// CloseIdleConnections at the end.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        32 << 10, // usual mail leaves with one write
		ForceAttemptHTTP2:      true,
		// One HTTP/2 connection carries everything: find out soon when it is dead.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

// departure observes how a request leaves.
type departure struct {
	asked        atomic.Bool  // the transport asked for a connection
	began, ended atomic.Int32 // on how many it began to be written, and of these no longer is
}

func (d *departure) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { d.asked.Store(true) },
		GotConn:      func(httptrace.GotConnInfo) { d.began.Add(1) },
		WroteRequest: func(httptrace.WroteRequestInfo) { d.ended.Add(1) },
	}
}

// over reports whether the transport has certainly done with the request's body. One that calls no trace proves
// nothing.
func (d *departure) over() bool {
	ended := d.ended.Load()
	return ended > 0 && ended == d.began.Load()
}

// possible reports whether the API may have received the request. It has not if
// the transport asked for a connection and got none (no address, refused, no
// TLS). A transport that calls no trace proves nothing.
func (d *departure) possible() bool { return d.began.Load() > 0 || !d.asked.Load() }
