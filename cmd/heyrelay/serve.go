package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/relay"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

type serveCmd struct{ configured }

// Run serves until the process is told to stop.
func (c serveCmd) Run(p *program) error {
	signal.Ignore(syscall.SIGPIPE) // the log's reader may die
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	sink := events.Log{Logger: slog.New(logHandler(p, cfg))}
	for _, w := range cfg.Warnings() {
		sink.Logger.Warn(w)
	}
	// Readiness goes before anything else does (sd_notify(3)).
	stopped := context.AfterFunc(p.ctx, func() { tell(sink.Logger, daemon.SdNotifyStopping) })
	defer stopped()
	return serve(p.ctx, cfg, relay.Parts{Sink: sink}, func(*relay.Relay) { tell(sink.Logger, daemon.SdNotifyReady) })
}

// tell tells systemd, where it has asked to be told.
func tell(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not told "+state, "error", err)
	}
}

// serve opens the spool and runs the relay on it until ctx ends. ready, where not
// nil, is called once the listeners are open.
func serve(ctx context.Context, cfg *config.Config, parts relay.Parts, ready func(*relay.Relay)) (err error) {
	store, err := openSpool(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	parts.Store, parts.Random, parts.UserAgent = store, rand.Reader, "heyrelay/"+version()
	g, err := relay.New(cfg, parts)
	if err != nil {
		return err
	}
	if ready != nil {
		ready(g)
	}
	return g.Run(ctx)
}

// openSpool opens the spool that the configuration names, for this process alone.
func openSpool(ctx context.Context, cfg *config.Config) (spool.Store, error) {
	return sqlite.Open(ctx, spoolPath(cfg), sqlite.Options{MinFree: int64(cfg.Spool.MinFree), MaxSleep: cfg.Delivery.RetryMax.Std()})
}

// spoolPath is the file of a SQLite spool; the configuration allows no other.
func spoolPath(cfg *config.Config) string { return strings.TrimPrefix(cfg.Spool.URL, "sqlite:") }

func logHandler(p *program, cfg *config.Config) slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		panic(fmt.Sprintf("a log level that the configuration allows: %v", err))
	}
	o := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		return slog.NewJSONHandler(p.stderr, o)
	}
	return slog.NewTextHandler(p.stderr, o)
}
