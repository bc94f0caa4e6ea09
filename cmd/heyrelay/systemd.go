package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"heyrelay/internal/relay"
)

// notifySystemd reports a state to systemd, if it runs this process (sd_notify(3)).
func notifySystemd(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot notify systemd: "+state, "error", err)
	}
}

// feedWatchdog reports to systemd that the relay works, until ctx ends, if its unit has
// WatchdogSec= (sd_watchdog_enabled(3)). Systemd restarts a relay that hangs. One whose
// spool is full or damaged does not hang: a restart would not help it.
func feedWatchdog(ctx context.Context, log func() *slog.Logger, health func(context.Context) relay.Health) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log().Warn("cannot read the watchdog time-out of systemd", "error", err)
		return
	}
	if limit == 0 {
		return
	}
	every := time.NewTicker(limit / 3)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if answers(ctx, limit/3, health) {
			notifySystemd(log(), daemon.SdNotifyWatchdog)
		}
	}
}

// answers reports whether health returns within limit.
func answers(ctx context.Context, limit time.Duration, health func(context.Context) relay.Health) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	health(ctx)
	return ctx.Err() == nil
}
