package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"heyrelay/internal/config"
	"heyrelay/internal/relay"
)

type serveCmd struct{ configured }

// Run serves until SIGINT or SIGTERM. SIGHUP loads the configuration again.
func (c serveCmd) Run(p *program) error {
	defer runtime.KeepAlive(newBallast())
	signal.Ignore(syscall.SIGPIPE) // the log's reader may die
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	load := func() (*config.Config, error) {
		cfg, err := c.load(p)
		if err != nil {
			return nil, err
		}
		return cfg, checkStore(cfg)
	}
	cfg, err := c.load(p)
	if err != nil {
		return p.fatal(p.variable("HEYRELAY_LOG_FORMAT"), err)
	}
	now := newInForce(p, cfg)
	// Readiness is withdrawn before anything else ends (sd_notify(3)).
	stopped := context.AfterFunc(p.ctx, func() { notifySystemd(now.logger(), daemon.SdNotifyStopping) })
	defer stopped()
	ctx, end := context.WithCancel(p.ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	traces, err := p.traces(now.logger)
	if err != nil {
		return p.fatal(cfg.Log.Format, err)
	}
	defer traces.close()
	parts := relay.Parts{
		Sink:          append(traces.sinks, now),
		ControlSocket: controlSocket(cfg.Spool.URL),
		Load:          load,
		InForce: func(cfg *config.Config) {
			now.set(cfg)
			now.logConsole()
		},
	}
	err = serve(p.ctx, cfg, now.config, parts, func(r *relay.Relay) {
		now.consoleURL = r.ConsoleURL
		now.logConsole()
		notifySystemd(now.logger(), daemon.SdNotifyReady)
		running.Go(func() { keepSmall(ctx) })
		running.Go(func() { reloadAt(ctx, hangups, r) })
		running.Go(func() { feedWatchdog(ctx, now.logger, r.Health) })
	})
	return p.fatal(now.config().Log.Format, err)
}

// fatal writes an error that ends serve to the log if that is JSON, so that whatever
// reads the log finds only JSON. The exit code stays the same.
func (p *program) fatal(logFormat string, err error) error {
	if err == nil || logFormat != "json" {
		return err
	}
	slog.New(slog.NewJSONHandler(p.stderr, nil)).Error("fatal", "error", err.Error())
	return coded{exitCode(err), errQuiet}
}

// reloadAt has the relay load its configuration again at each signal, until ctx ends.
func reloadAt(ctx context.Context, hangups <-chan os.Signal, r *relay.Relay) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			_, _ = r.Reload() // it records its error
		}
	}
}

// serve opens the spool and runs the relay on it until ctx ends. ready is called
// once the listeners are open. inForce returns the configuration as reloads have changed it.
func serve(
	ctx context.Context, cfg *config.Config, inForce func() *config.Config, parts relay.Parts, ready func(*relay.Relay),
) (err error) {
	parts.Coming = new(atomic.Int64)
	store, err := openStore(ctx, cfg, inForce, parts.Sink, parts.Coming)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	parts.Store = store
	parts.Operator, err = openOperator(cfg, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, parts.Operator.Close()) }()
	parts.Random = rand.Reader
	parts.UserAgent = "heyrelay/" + version()
	r, err := relay.New(cfg, parts)
	if err != nil {
		return err
	}
	ready(r)
	return r.Run(ctx)
}

// utc writes the times of log lines in UTC.
type utc struct{ slog.Handler }

// Handle implements slog.Handler.
func (u utc) Handle(ctx context.Context, r slog.Record) error {
	r.Time = r.Time.UTC()
	return u.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (u utc) WithAttrs(attrs []slog.Attr) slog.Handler { return utc{u.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (u utc) WithGroup(name string) slog.Handler { return utc{u.Handler.WithGroup(name)} }

func logHandler(p *program, cfg *config.Config) slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		panic(fmt.Sprintf("a log level that the configuration allows: %v", err))
	}
	o := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		return utc{slog.NewJSONHandler(p.stderr, o)}
	}
	return utc{slog.NewTextHandler(p.stderr, o)}
}
