package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// This file is the only one that knows which store a spool's URL names.

// openStore opens the configured spool for this process alone, within the limits of the
// configuration in force. coming is the number of messages on their way to it.
func openStore(
	ctx context.Context, cfg *config.Config, inForce func() *config.Config, sink events.Sink, coming *atomic.Int64,
) (spool.Store, error) {
	file, err := spoolFile(cfg)
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, file, sqlite.Options{
		Limits: func() sqlite.Limits {
			now := inForce()
			return sqlite.Limits{
				MinFree: int64(now.Spool.MinFree),
				MaxWait: delivery.MaxWait(now.Delivery.RetryMax.Std()),
			}
		},
		Warn: func(text string) {
			sink.Record(events.Event{Kind: events.Anomaly, Time: time.Now(), Reason: text})
		},
		Coming: coming,
	})
}

// checkStore returns the error that openStore would return, as far as it can be found
// without opening the spool.
func checkStore(cfg *config.Config) error {
	file, err := spoolFile(cfg)
	if err != nil {
		return err
	}
	return sqlite.CheckPath(file)
}

// read runs use on the configured spool, also while a relay serves it.
func (c configured) read(p *program, use func(spool.Reader) error) (err error) {
	file, err := c.spoolFile(p)
	if err != nil {
		return err
	}
	r, err := sqlite.OpenReader(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return use(r)
}

// openOperator opens the spool of a configuration for changes, also while a relay serves it. progress is
// sqlite.Operator.Progress.
func openOperator(cfg *config.Config, progress func(done, found int)) (spool.Operator, error) {
	file, err := spoolFile(cfg)
	if err != nil {
		return nil, err
	}
	op, err := sqlite.OpenOperator(file)
	if err != nil {
		return nil, err
	}
	op.Progress = progress
	return op, nil
}

// backup copies the configured spool to a file, also while a relay serves it.
func (c configured) backup(p *program, to string) error {
	from, err := c.spoolFile(p)
	if err != nil {
		return err
	}
	return sqlite.Backup(p.ctx, from, to, time.Now())
}

// spoolFile returns the file of the configured spool.
func (c configured) spoolFile(p *program) (string, error) {
	cfg, err := c.load(p, config.WithoutSecrets)
	if err != nil {
		return "", err
	}
	return spoolFile(cfg)
}

// spoolFile returns the file of a SQLite spool.
func spoolFile(cfg *config.Config) (string, error) {
	file, ok := strings.CutPrefix(cfg.Spool.URL, "sqlite:")
	if !ok {
		return "", fmt.Errorf("spool.url: %q is not supported; use sqlite:FILE", cfg.Spool.URL)
	}
	return file, nil
}

// controlSocket is where a running relay answers health checks and takes reloads: beside its
// spool, so that who may use the spool may ask.
func controlSocket(spoolURL string) string { return strings.TrimPrefix(spoolURL, "sqlite:") + ".sock" }
