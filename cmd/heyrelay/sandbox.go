package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"heyrelay/internal/sandbox"
)

type sandboxCmd struct {
	Address string `default:"127.0.0.1:8026" placeholder:"HOST:PORT" help:"Where to serve (${default})."`
	Rate    int    `default:"500" placeholder:"N" help:"Calls a minute before it answers 429; 0 for no limit (${default})."`
}

// Run serves the sandbox until the process is told to stop.
func (c sandboxCmd) Run(p *program) error {
	l, err := net.Listen("tcp", c.Address)
	if err != nil {
		return fmt.Errorf("%w; choose another --address or stop what uses it", err)
	}
	fmt.Fprintf(p.stdout, "sandbox of the API on http://%s, what it accepted on http://%s/sandbox/messages\n", l.Addr(), l.Addr())
	fmt.Fprintf(p.stdout, "secret id %s, secret key %s\n", sandbox.DemoSecretID, sandbox.DemoSecretKey)
	return serveHTTP(p.ctx, l, sandbox.New(sandbox.Options{RatePerMinute: c.Rate}))
}

// serveHTTP serves h on l until ctx ends.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		closed <- server.Shutdown(limited)
	})
	err := server.Serve(l)
	if stop() { // it failed by itself
		return err
	}
	if err := <-closed; err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}
