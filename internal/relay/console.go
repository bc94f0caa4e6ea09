package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/netutil"

	"heyrelay/internal/access"
	"heyrelay/internal/activity"
	"heyrelay/internal/adminapi"
	"heyrelay/internal/config"
	"heyrelay/internal/console"
	"heyrelay/internal/events"
)

// maxPages is how many connections the console's listener accepts at a time.
const maxPages = 256

// panel is the console and the admin API of a relay.
type panel struct {
	guard    *access.Guard
	stream   *events.Stream
	activity *activity.Counter
	listener net.Listener
	handler  http.Handler
}

// newPanel makes the panel without its listener, or nil if the configuration has no address for
// it.
func (r *Relay) newPanel(p Parts) (*panel, error) {
	if r.cfg.Console.Address == "" {
		return nil, nil
	}
	if p.Operator == nil {
		return nil, errors.New("console.address: this spool cannot be shown")
	}
	guard, err := access.New(r.accessOptions(p))
	if err != nil {
		return nil, fmt.Errorf("console.address: %w", err)
	}
	return &panel{guard: guard, stream: &events.Stream{}, activity: activity.New(p.Now)}, nil
}

// accessOptions translates the configuration of the console.
func (r *Relay) accessOptions(p Parts) access.Options {
	c := r.cfg.Console
	o := access.Options{
		Hosts:    c.Hosts,
		Session:  c.Session.Std(),
		Loopback: c.Loopback(),
		Public:   []string{"/static/"},
		Sink:     p.Sink,
		Now:      p.Now,
		Random:   p.Random,
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
	if r.cfg.Metrics.Address == "" {
		o.Public = append(o.Public, probePaths...)
	}
	return o
}

// listenConsole opens the console's listener, if there is one, and composes what it serves.
func (r *Relay) listenConsole(p Parts) error {
	if r.panel == nil {
		return nil
	}
	l, err := p.Listen("tcp", r.cfg.Console.Address)
	if err != nil {
		return fmt.Errorf("console.address: %w%s", err, hint(err))
	}
	l = netutil.LimitListener(l, maxPages)
	if r.cfg.Console.TLS == config.TLSImplicit {
		l = tls.NewListener(l, &tls.Config{
			GetCertificate: r.certificate.Get,
			MinVersion:     tls.VersionTLS12,
			NextProtos:     []string{"http/1.1"},
		})
	}
	r.panel.listener = l
	mux := http.NewServeMux()
	if r.cfg.Metrics.Address == "" {
		r.handleProbes(mux)
	}
	mux.Handle("/api/", adminapi.New(adminapi.Options{Operator: p.Operator}))
	mux.Handle("/", console.New(r.consoleOptions(p)))
	r.panel.handler = r.panel.guard.Wrap(mux)
	return nil
}

func (r *Relay) consoleOptions(p Parts) console.Options {
	o := console.Options{
		Operator: p.Operator,
		Events:   r.panel.stream,
		Activity: r.panel.activity,
		Rates:    map[string]int{},
		Kick:     r.scheduler.Kick,
		Record:   r.sink.Record,
		Now:      p.Now,
		Sandbox:  p.Sandbox,
		Health: func(ctx context.Context) (status string, reasons []string) {
			h := r.Health(ctx)
			return string(h.Status), h.Reasons
		},
	}
	for name, t := range r.cfg.Teams {
		o.Rates[name] = int(t.Rate)
	}
	for _, route := range r.cfg.Routes {
		o.Routes = append(o.Routes, route.Name)
	}
	return o
}

// ConsoleURL returns where people open the console: with a token that logs them in, if the
// relay made one; "" without a console.
func (r *Relay) ConsoleURL() string {
	if r.panel == nil {
		return ""
	}
	u := url.URL{Scheme: "http", Host: r.panel.listener.Addr().String(), Path: "/"}
	if r.cfg.Console.TLS == config.TLSImplicit {
		u.Scheme = "https"
	}
	if host, port, _ := net.SplitHostPort(r.cfg.Console.Address); host == "" || net.ParseIP(host).IsUnspecified() {
		u.Host = net.JoinHostPort(r.cfg.Hostname, port)
		if len(r.cfg.Console.Hosts) > 0 {
			u.Host = net.JoinHostPort(r.cfg.Console.Hosts[0], port)
		}
	}
	if token := r.panel.guard.LoginToken(); token != "" {
		u.Path = access.LoginPath
		u.RawQuery = url.Values{"token": {token}}.Encode()
	}
	return u.String()
}

// sampleInterval is how often the console's counter looks at the backlog.
const sampleInterval = 10 * time.Second

// sampleBacklog records how many requests are pending, until ctx ends.
func (r *Relay) sampleBacklog(ctx context.Context) {
	if r.panel == nil {
		return
	}
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for {
		if pending, _, err := r.store.Backlog(ctx); err == nil {
			r.panel.activity.Sample(pending)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// serveHTTP serves h at l until the returned function is called. what names it in the error
// that is recorded if it ends before. writing bounds a response that does not lengthen its own
// time.
func (r *Relay) serveHTTP(what string, l net.Listener, h http.Handler, writing time.Duration) (stop func()) {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      writing,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // faults of clients
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.recordError(what+" not served any more", err)
		}
	}()
	return func() {
		_ = server.Close()
		<-ended
	}
}
