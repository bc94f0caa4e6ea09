package relay

import (
	"errors"
	"strings"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
)

// restartKeys begin the paths of the keys that a reload does not change.
var restartKeys = []string{"spool.url"}

// Reloaded is what a reload did.
type Reloaded struct {
	Changed  []string `json:"changed"`  // the keys whose new values are in force
	Restart  []string `json:"restart"`  // the changed keys that need a restart
	Warnings []string `json:"warnings"` // of the new configuration
}

// String says it in a sentence.
func (d Reloaded) String() string {
	text := "nothing has changed"
	if len(d.Changed) > 0 {
		text = "changed " + strings.Join(d.Changed, ", ")
	}
	if len(d.Restart) > 0 {
		text += "; restart heyrelay to apply " + strings.Join(d.Restart, ", ")
	}
	return text
}

// ErrStopping is the error of a reload while the relay shuts down.
var ErrStopping = errors.New("the relay is shutting down")

// Reload loads the configuration again and puts it in force, without an interruption: a
// transaction, a call of the API or of the webhook that has begun ends with the configuration
// with which it began. On an error, which is recorded too, nothing has changed. Many goroutines
// may call Reload.
func (r *Relay) Reload() (Reloaded, error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	done, err := r.reload()
	if err != nil {
		r.recordError("the configuration could not be reloaded; the previous one stays active", err)
		return Reloaded{}, err
	}
	r.sink.Record(events.Event{Kind: events.Reloaded, Time: r.now(), Reason: done.String()})
	return done, nil
}

func (r *Relay) reload() (Reloaded, error) {
	if r.stopping.Load() {
		return Reloaded{}, ErrStopping
	}
	cfg, err := r.parts.Load()
	if err != nil {
		return Reloaded{}, err
	}
	before := r.config()
	if err := r.use(cfg); err != nil {
		return Reloaded{}, err
	}
	done := Reloaded{Changed: []string{}, Restart: []string{}, Warnings: append([]string{}, cfg.Warnings()...)}
	for _, path := range before.Differences(cfg) {
		if !needsRestart(path) {
			done.Changed = append(done.Changed, path)
		}
	}
	for _, path := range r.started.Differences(cfg) {
		if needsRestart(path) {
			done.Restart = append(done.Restart, path)
		}
	}
	return done, nil
}

// use puts a configuration in force.
func (r *Relay) use(cfg *config.Config) error {
	next, err := r.newSetup(cfg)
	if err != nil {
		return err
	}
	if err := r.putInForce(next); err != nil {
		return err
	}
	r.parts.InForce(cfg)
	r.scheduler.Kick()
	r.notifier.Kick()
	return nil
}

// putInForce opens what the set-up listens on, puts it in force, and closes what it does not
// listen on any more.
func (r *Relay) putInForce(next *setup) error {
	listeners, err := r.listeners.change(next.smtpAt)
	if err != nil {
		return err
	}
	pages, err := r.pages.change(next.pagesAt)
	if err != nil {
		return errors.Join(err, listeners.undo())
	}
	err = r.useStore(next)
	if err == nil {
		err = r.updateGuard(next.cfg)
	}
	if err != nil {
		return errors.Join(err, listeners.undo(), pages.undo())
	}
	r.setup.Store(next)
	listeners.commit()
	pages.commit()
	return nil
}

func needsRestart(path string) bool {
	for _, key := range restartKeys {
		if strings.HasPrefix(path, key) {
			return true
		}
	}
	return false
}
