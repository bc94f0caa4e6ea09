package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"heyrelay/internal/loopback"
	"heyrelay/internal/sandbox"
)

type sandboxCmd struct {
	Address        string `default:"127.0.0.1:8026" placeholder:"HOST:PORT" help:"Address to listen on (${default})."`
	ListenAnywhere bool   `help:"Allow an address that other hosts can reach, for containers and CI."`
	Rate           int    `default:"500" zero:"no limit" placeholder:"N" help:"Calls a minute; 0: no limit (${default})."`
}

// Help describes what triggers the sandbox's faults.
func (sandboxCmd) Help() string {
	var b strings.Builder
	b.WriteString("The sandbox simulates Heymarket's e-mail API, validates every call strictly and sends nothing. " +
		"It lists the accepted messages at /sandbox/messages and counters at /sandbox/stats.\n\n" +
		"A recipient whose local part is the name of a fault triggers it: always, as with temperror@example.com, " +
		"or a number of times for each message, as with temperror+2@example.com.\n\n")
	for _, f := range sandbox.Faults() {
		fmt.Fprintf(&b, "    %-14s %s\n", f+"@", f.Does())
	}
	return b.String()
}

// Run serves the sandbox until the process is stopped.
func (c sandboxCmd) Run(p *program) error {
	local, err := c.isLocal()
	if err != nil {
		return coded{exitUsage, err}
	}
	switch {
	case !local && !c.ListenAnywhere:
		return coded{exitUsage, fmt.Errorf("other hosts may reach %s, and the sandbox shows every message to anyone; "+
			"use a loopback address, or add --listen-anywhere", c.Address)}
	case !local:
		fmt.Fprintf(p.stderr, "warning: anyone who reaches %s can read every message that the sandbox accepts\n", c.Address)
	}
	l, err := net.Listen("tcp", c.Address)
	if err != nil {
		return fmt.Errorf("%w; choose another --address, or stop the program that uses this one", err)
	}
	fmt.Fprintf(p.stdout, "sandbox of the API  http://%s\n", l.Addr())
	fmt.Fprintf(p.stdout, "accepted messages   http://%s/sandbox/messages\n", l.Addr())
	fmt.Fprintf(p.stdout, "secret              id %s, key %s\n", sandbox.DemoSecretID, sandbox.DemoSecretKey)
	return serveHTTP(p.ctx, l, newSandbox(c.Rate, ""))
}

// isLocal reports whether only this host can reach the address.
func (c sandboxCmd) isLocal() (bool, error) {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return false, fmt.Errorf("invalid address %q: write host:port, such as 127.0.0.1:8026", c.Address)
	}
	return loopback.Is(host), nil
}

// newSandbox returns a sandbox that handles rate calls a minute; console is the URL of the
// relay's console, if there is one. Its ids begin at a number that depends on the time: a
// spool that knows the ids of an earlier sandbox never meets them again.
func newSandbox(rate int, console string) *sandbox.Sandbox {
	return sandbox.New(sandbox.Options{RatePerMinute: rate, FirstID: time.Now().UnixMilli(), Console: console})
}

// serveHTTP serves h on l until ctx ends. A response that takes two seconds longer is cut.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		closed <- server.Shutdown(limited)
	})
	err := server.Serve(l)
	if stop() { // the server failed
		return err
	}
	if err := <-closed; err != nil {
		return server.Close()
	}
	return nil
}
