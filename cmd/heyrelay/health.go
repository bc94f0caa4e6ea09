package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"time"

	"heyrelay/internal/config"
)

type healthCmd struct{ configured }

// Run asks every listener for its greeting.
func (c healthCmd) Run(p *program) error {
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	for i, l := range cfg.Listeners {
		if err := greets(p.ctx, l); err != nil {
			return fmt.Errorf("listeners[%d]: %w; is heyrelay serve running?", i, err)
		}
	}
	_, err = fmt.Fprintln(p.stdout, "serving")
	return err
}

// greets opens a session and ends it.
func greets(ctx context.Context, l config.Listener) error {
	c, err := dialSMTP(ctx, l)
	if err != nil {
		return err
	}
	return c.Quit()
}

// dialSMTP opens a session with one of our own listeners.
func dialSMTP(ctx context.Context, l config.Listener) (*smtp.Client, error) {
	const patience = 10 * time.Second
	network, address := l.Network()
	if network == "systemd" {
		return nil, errors.New("systemd has opened it and knows where: ask systemctl")
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if l.TLS == config.TLSImplicit {
		// It is our own listener, and its certificate may well name another host.
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	return smtp.NewClient(conn, "localhost")
}
