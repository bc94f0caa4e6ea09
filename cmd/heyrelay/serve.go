package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/relay"
)

type serveCmd struct{ configured }

// Run serves until SIGINT or SIGTERM. SIGHUP reads secrets and certificates again.
func (c serveCmd) Run(p *program) error {
	signal.Ignore(syscall.SIGPIPE) // the log's reader may die
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	cfg, err := c.load(p)
	if err != nil {
		return p.fatal(p.variable("HEYRELAY_LOG_FORMAT"), err)
	}
	limitMemory(cfg)
	sink := events.Log{Logger: slog.New(logHandler(p, cfg))}
	for _, w := range cfg.Warnings() {
		sink.Logger.Warn(w)
	}
	// Readiness is withdrawn before anything else ends (sd_notify(3)).
	stopped := context.AfterFunc(p.ctx, func() { notifySystemd(sink.Logger, daemon.SdNotifyStopping) })
	defer stopped()
	ctx, end := context.WithCancel(p.ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	err = serve(p.ctx, cfg, relay.Parts{Sink: sink, HealthSocket: healthSocket(cfg)}, func(r *relay.Relay) {
		if url := r.ConsoleURL(); url != "" {
			sink.Logger.Info("console", "url", url)
		}
		notifySystemd(sink.Logger, daemon.SdNotifyReady)
		running.Go(func() { c.reload(ctx, hangups, p, sink, r) })
		running.Go(func() { feedWatchdog(ctx, sink.Logger, r.Health) })
	})
	return p.fatal(cfg.Log.Format, err)
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

// reload reads the configuration again at each signal, until ctx ends.
func (c serveCmd) reload(ctx context.Context, hangups <-chan os.Signal, p *program, sink events.Sink, r *relay.Relay) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		cfg, err := c.load(p)
		if err != nil {
			const reason = "the configuration cannot be read again, the previous one remains in use"
			sink.Record(events.Event{Kind: events.Error, Time: time.Now(), Reason: reason, Err: err})
			continue
		}
		r.Reload(cfg)
	}
}

// serve opens the spool and runs the relay on it until ctx ends. ready is called
// once the listeners are open; it may be nil.
func serve(ctx context.Context, cfg *config.Config, parts relay.Parts, ready func(*relay.Relay)) (err error) {
	store, err := openStore(ctx, cfg, parts.Sink)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	parts.Store = store
	if cfg.Console.Address != "" {
		parts.Operator, err = openOperator(cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, parts.Operator.Close()) }()
	}
	parts.Random = rand.Reader
	parts.UserAgent = "heyrelay/" + version()
	r, err := relay.New(cfg, parts)
	if err != nil {
		return err
	}
	if ready != nil {
		ready(r)
	}
	return r.Run(ctx)
}

// utc writes the time of a log line in UTC.
func utc(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}

func logHandler(p *program, cfg *config.Config) slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		panic(fmt.Sprintf("a log level that the configuration allows: %v", err))
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: utc}
	if cfg.Log.Format == "json" {
		return slog.NewJSONHandler(p.stderr, o)
	}
	return slog.NewTextHandler(p.stderr, o)
}
