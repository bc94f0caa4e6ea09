package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/emersion/go-smtp"

	"heyrelay/internal/config"
	"heyrelay/internal/relay"
)

type healthCmd struct {
	configured
	JSON   bool `help:"Print JSON."`
	Strict bool `help:"Also fail, with exit code 3, if the relay is degraded."`
}

// Help explains the states and the exit codes.
func (healthCmd) Help() string {
	return `serving: the relay accepts mail and sends it. degraded: it accepts mail, but a team or route is on hold,
API calls fail, or the oldest pending request is older than health.oldest. not serving: it does not run, a
listener does not respond, or the spool accepts no mail.

Exit codes: 0 serving or degraded, 1 not serving, 2 invalid command line, 3 degraded (with --strict),
78 invalid configuration.`
}

// Run asks the running relay for its state, and each listener for its greeting.
func (c healthCmd) Run(p *program) error {
	cfg, err := c.load(p, config.WithoutSecrets)
	if err != nil {
		return err
	}
	h, err := relayHealth(p.ctx, cfg)
	unknown := err != nil
	if unknown {
		h = relay.Health{Status: relay.Serving, Reasons: []string{}}
	}
	for i, l := range cfg.Listeners {
		network, _ := l.Network()
		if network == "systemd" && !unknown {
			continue // systemd knows its address, and the relay has answered
		}
		if err := greets(p.ctx, l); err != nil {
			h.Status = relay.NotServing
			h.Reasons = append(h.Reasons, fmt.Sprintf("listeners[%d]: %v; is heyrelay serve running?", i, err))
		}
	}
	if unknown && h.Status == relay.Serving {
		fmt.Fprintf(p.stderr, "heyrelay: only the listeners were checked: %s\n", printable(err.Error()))
	}
	if err := c.print(p, h); err != nil {
		return err
	}
	return c.verdict(h.Status)
}

func (c healthCmd) print(p *program, h relay.Health) error {
	if c.JSON {
		return newJSON(p.stdout).Encode(h)
	}
	fmt.Fprintln(p.stdout, h.Status)
	for _, reason := range h.Reasons {
		if _, err := fmt.Fprintln(p.stdout, "  "+printable(reason)); err != nil {
			return err
		}
	}
	return nil
}

// verdict returns the error that stands for the exit code.
func (c healthCmd) verdict(s relay.Status) error {
	switch {
	case s == relay.NotServing:
		return errQuiet
	case s == relay.Degraded && c.Strict:
		return coded{exitDegraded, errQuiet}
	}
	return nil
}

// relayHealth asks the relay that serves the configured spool.
func relayHealth(ctx context.Context, cfg *config.Config) (relay.Health, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var h relay.Health
	err := request(ctx, controlSocket(cfg.Spool.URL), http.MethodGet, relay.HealthPath, &h)
	return h, err
}

// request sends a request without a body to the relay's control socket, and decodes the reply.
func request(ctx context.Context, socket, method, path string, reply any) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://relay"+path, nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(reply)
}

// greets opens a session and ends it.
func greets(ctx context.Context, l config.Listener) error {
	client, err := dialSMTP(ctx, l, false)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Quit()
}

// patience is how long a relay may take to answer.
const patience = 10 * time.Second

// dialSMTP opens a session with one of our own listeners, encrypted where a login
// needs that. Its certificate is not verified: it usually names another host.
func dialSMTP(ctx context.Context, l config.Listener, login bool) (*smtp.Client, error) {
	network, address := l.Network()
	if network == "systemd" {
		return nil, errors.New("systemd opened this socket and knows its address; see systemctl list-sockets")
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	unverified := &tls.Config{InsecureSkipVerify: true}
	if l.TLS == config.TLSStart && login {
		return smtp.NewClientStartTLS(conn, unverified)
	}
	if l.TLS == config.TLSImplicit {
		conn = tls.Client(conn, unverified)
	}
	client := smtp.NewClient(conn)
	client.CommandTimeout = patience
	client.SubmissionTimeout = patience
	if err := client.Hello("localhost"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return client, nil
}
