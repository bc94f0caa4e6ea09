package relay

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
)

// Run serves until ctx ends, or a listener or the store fails. Then it shuts down within
// shutdown_timeout: it begins no transaction and no API call, lets the running ones
// end, cuts those that do not, and returns once all results are stored. That
// transactions were cut is no error.
func (r *Relay) Run(ctx context.Context) error {
	ctx, r.stop = context.WithCancel(ctx)
	defer r.stop()
	defer r.pages.serving.Wait()
	defer r.pages.close()
	r.begin(&r.pages)
	r.running.Go(func() { r.scheduler.Run(ctx) })
	r.running.Go(func() { r.notifier.Run(ctx) })
	r.running.Go(func() { r.prune(ctx) })
	r.running.Go(func() { r.clean(ctx) })
	r.running.Go(func() { r.monitorBacklog(ctx) })
	r.running.Go(func() { r.sampleBacklog(ctx) })
	r.running.Go(func() { r.watchSecrets(ctx) })
	r.running.Go(func() { r.watchStore(ctx) })
	serving, endServing := context.WithCancel(context.WithoutCancel(ctx))
	defer endServing()
	r.running.Go(func() { r.discards.Run(serving, r.endTime) })
	r.startControl(ctx)
	r.checkSpool(ctx)
	r.begin(&r.listeners)
	<-ctx.Done()
	cut := r.shutDown(ctx)
	endServing()
	r.running.Wait()
	r.sink.Record(events.Event{Kind: events.Stopped, Time: r.now(), Reason: cut})
	return r.failure
}

// begin serves what is open. A reload waits, or it would close what is not served yet.
func (r *Relay) begin(s *sockets) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	s.run()
}

// fail ends the relay with an error.
func (r *Relay) fail(err error) {
	r.failed.Do(func() { r.failure = err })
	r.stop()
}

// watchStore ends the relay when its store has failed: the next one goes on with what the disk has.
func (r *Relay) watchStore(ctx context.Context) {
	select {
	case <-ctx.Done():
	case err := <-r.store.Failed():
		r.recordError("the spool has failed: heyrelay exits and must be started again", err)
		r.fail(err)
	}
}

// shutDown ends the SMTP sessions, and describes what it had to cut.
func (r *Relay) shutDown(ctx context.Context) (cut string) {
	before := r.cut.n.Load()
	r.reloading.Lock()
	r.stopping.Store(true)
	r.reloading.Unlock()
	r.sink.Record(events.Event{Kind: events.Stopping, Time: r.now(), Reason: "waiting for open transactions"})
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime(r.config()))
	defer cancel()
	_ = r.server.Shutdown(limited) // its error only reports that the time was over
	switch n := r.cut.n.Load() - before; n {
	case 0:
		return "all transactions were completed"
	case 1:
		return "1 open transaction was cut, its client got 421"
	default:
		return fmt.Sprintf("%d open transactions were cut, their clients got 421", n)
	}
}

// drainTime is how long transactions and API calls may take to end on shutdown. The
// rest of shutdown_timeout is for storing results, for what has endTime, and closing the spool.
func drainTime(cfg *config.Config) time.Duration { return cfg.ShutdownTimeout.Std() * 3 / 4 }

// endTime is how long each of the two that come last may take on shutdown: objects that wait to be
// deleted, and requests for a page.
func (r *Relay) endTime() time.Duration {
	cfg := r.config()
	return min(pagesEnd, (cfg.ShutdownTimeout.Std()-drainTime(cfg))/3)
}

// canSend reports whether requests of a route can be sent now.
func (r *Relay) canSend(team, route string) bool {
	return !r.stopping.Load() && r.scheduler.CanSend(team, route)
}

// cutCounter is a sink that counts transactions that ended with 421.
type cutCounter struct{ n atomic.Int64 }

// Record implements events.Sink.
func (c *cutCounter) Record(e events.Event) {
	if e.Status == smtpUnavailable && e.QueueID != "" {
		c.n.Add(1)
	}
}

// smtpUnavailable is the reply code before the server closes the connection (RFC
// 5321, section 3.8).
const smtpUnavailable = 421
