package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/adminapi"
	"heyrelay/internal/backend"
	"heyrelay/internal/config"
	"heyrelay/internal/console"
	"heyrelay/internal/delivery"
	"heyrelay/internal/spool"
)

// consolePage makes the console and the admin API of a set-up.
func (r *Relay) consolePage(s *setup, secure *tls.Config) (page, error) {
	cfg := s.cfg
	if r.parts.Operator == nil {
		return page{}, errors.New("console.address: this spool cannot be shown")
	}
	if r.guard == nil {
		guard, err := access.New(r.accessOptions(cfg))
		if err != nil {
			return page{}, fmt.Errorf("console.address: %w", err)
		}
		r.guard = guard
	}
	mux := http.NewServeMux()
	if cfg.Metrics.Address == "" {
		r.handleProbes(mux)
	}
	mux.Handle("/api/", adminapi.New(r.apiOptions(s)))
	mux.Handle("/", console.New(r.consoleOptions(s)))
	return page{handler: r.guard.Wrap(mux), tls: pageTLS(cfg.Console.TLS, secure)}, nil
}

// updateGuard has the guard of the console, if there is one, admit whom a configuration names.
func (r *Relay) updateGuard(cfg *config.Config) error {
	if cfg.Console.Address == "" {
		return nil
	}
	if err := r.guard.Update(r.accessOptions(cfg)); err != nil {
		return fmt.Errorf("console.address: %w", err)
	}
	return nil
}

// accessOptions translates the configuration of the console.
func (r *Relay) accessOptions(cfg *config.Config) access.Options {
	c := cfg.Console
	o := access.Options{
		Hosts:    c.Hosts,
		Session:  c.Session.Std(),
		Loopback: c.Loopback(),
		Public:   []string{"/static/"},
		Sink:     r.parts.Sink,
		Now:      r.now,
		Random:   r.parts.Random,
		Proxy: access.Proxy{
			Networks:  c.Proxy.Networks.Prefixes(),
			Header:    c.Proxy.Header,
			Role:      access.RoleNamed(c.Proxy.Role),
			Operators: c.Proxy.Operators,
		},
	}
	for _, u := range c.Users {
		o.Users = append(o.Users, access.User{Name: u.Name, Password: u.Hash, Role: access.RoleNamed(u.Role)})
	}
	for i, t := range c.Tokens {
		name := t.Name
		if name == "" {
			name = fmt.Sprintf("console.tokens[%d]", i)
		}
		o.Tokens = append(o.Tokens, access.Token{Name: name, Value: t.Token.Reveal(), Role: access.RoleNamed(t.Role)})
	}
	if cfg.Metrics.Address == "" {
		o.Public = append(o.Public, probePaths...)
	}
	return o
}

// backend returns what the console and the admin API show and change.
func (r *Relay) backend(s *setup) backend.Backend {
	return backend.Backend{
		Operator: r.parts.Operator,
		Events:   &r.stream,
		Activity: r.activity,
		Rates:    rates(s.cfg),
		ByMail:   s.cfg.ByMail(),
		Kick:     func() { r.scheduler.Kick() },
		Record:   r.sink.Record,
		Now:      r.now,
		NewID:    r.newLocalID,
		Health:   r.status,
		Blobs:    s.blobs,
		Body:     body(s.cfg),
	}
}

func (r *Relay) apiOptions(s *setup) adminapi.Options {
	o := adminapi.Options{
		Backend: r.backend(s),
		Routes:  map[string]string{},
		Reload: func() (adminapi.Reloaded, error) {
			done, err := r.Reload()
			return adminapi.Reloaded(done), err
		},
	}
	for _, route := range s.cfg.Routes {
		o.Routes[route.Name] = route.Team
	}
	return o
}

func (r *Relay) consoleOptions(s *setup) console.Options {
	o := console.Options{
		Backend: r.backend(s),
		Sandbox: r.parts.Sandbox,
		SMTP:    r.Addrs,
		Version: r.version(),
	}
	for _, route := range s.cfg.Routes {
		o.Routes = append(o.Routes, console.Route{Name: route.Name, Team: route.Team})
	}
	return o
}

// status returns how well the relay works, and why it is not better.
func (r *Relay) status(ctx context.Context) (status string, reasons []string) {
	h := r.Health(ctx)
	return string(h.Status), h.Reasons
}

// body returns a function that writes what the API gets for a task, in the name of the creator
// that is configured.
func body(cfg *config.Config) func(*spool.Task) ([]byte, error) {
	all := routes(cfg)
	return func(t *spool.Task) ([]byte, error) {
		if _, ok := spool.SmarthostRoute(t.Team); ok {
			return nil, nil
		}
		return delivery.Email(t, all[t.Route].Creator).Body()
	}
}

// ConsoleURL returns where people open the console: with a token that logs them in, if the
// relay made one; "" without a console.
func (r *Relay) ConsoleURL() string {
	address := r.pages.addr(consolePath)
	if address == nil {
		return ""
	}
	cfg := r.config()
	u := url.URL{Scheme: "http", Host: address.String(), Path: "/"}
	if cfg.Console.TLS == config.TLSImplicit {
		u.Scheme = "https"
	}
	if host, port, _ := net.SplitHostPort(cfg.Console.Address); host == "" || net.ParseIP(host).IsUnspecified() {
		u.Host = net.JoinHostPort(cfg.Hostname, port)
		if len(cfg.Console.Hosts) > 0 {
			u.Host = net.JoinHostPort(cfg.Console.Hosts[0], port)
		}
	}
	if token := r.guard.LoginToken(); token != "" {
		u.Path = access.LoginPath
		u.RawQuery = url.Values{"token": {token}}.Encode()
	}
	return u.String()
}

// sampleInterval is how often the console's counter looks at the backlog.
const sampleInterval = 10 * time.Second

// sampleBacklog records how many requests are pending, until ctx ends.
func (r *Relay) sampleBacklog(ctx context.Context) {
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for {
		if r.config().Console.Address != "" {
			if pending, _, err := r.store.Backlog(ctx); err == nil {
				r.activity.Sample(pending)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
