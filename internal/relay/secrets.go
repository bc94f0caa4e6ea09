package relay

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/strictyaml"
)

// secretsInterval is how often the files with the teams' secrets are read again.
const secretsInterval = 30 * time.Second

// watchSecrets reads the files with the teams' secrets again and again, until ctx
// ends. The other secrets are read whenever they are used.
func (r *Relay) watchSecrets(ctx context.Context) {
	tick := time.NewTicker(secretsInterval)
	defer tick.Stop()
	reported := map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.rereadCredentials(reported)
		}
	}
}

// rereadCredentials reads the credentials of all teams again. Errors are recorded
// unless reported has them, by team.
func (r *Relay) rereadCredentials(reported map[string]string) {
	clients := r.setup.Load().clients
	for _, name := range slices.Sorted(maps.Keys(clients)) {
		_, err := clients[name].Reload()
		if err == nil {
			delete(reported, name)
			continue
		}
		if text := err.Error(); reported[name] != text {
			reported[name] = text
			r.recordError("the credentials of team "+name+" cannot be read again; the previous ones remain in use", err)
		}
	}
}

// credentialSource returns the heymarket.Options.Source of a team, and records when its
// credentials have changed. They are those of the set-up in force, also for a call that began with
// the one before it: what the API refuses by now is of no use to that.
func (r *Relay) credentialSource(name string, team config.Team) source {
	last := credentials(team)
	return func() (heymarket.Credentials, error) {
		t, ok := r.config().Teams[name]
		if !ok { // it was removed
			t = team
		}
		t, err := reread(t)
		if err != nil {
			return heymarket.Credentials{}, err
		}
		now := credentials(t)
		if !reflect.DeepEqual(now, last) {
			last = now
			const reason = "the team's credentials have changed"
			r.sink.Record(events.Event{Kind: events.Reloaded, Time: r.now(), Team: name, Reason: reason})
		}
		return now, nil
	}
}

// reread returns a team with its secrets as their files have them now.
func reread(t config.Team) (config.Team, error) {
	t.Secrets = slices.Clone(t.Secrets)
	all := []*strictyaml.Secret{&t.APIKey}
	for i := range t.Secrets {
		all = append(all, &t.Secrets[i].Key)
	}
	for _, s := range all {
		now, err := s.Reread()
		if err != nil {
			return t, err
		}
		*s = now
	}
	return t, nil
}

func credentials(t config.Team) heymarket.Credentials {
	c := heymarket.Credentials{APIKey: t.APIKey.Reveal()}
	for _, s := range t.Secrets {
		c.Secrets = append(c.Secrets, heymarket.Secret{ID: s.ID, Key: s.Key.Reveal()})
	}
	return c
}

// cached is a secret that is read whenever it is used. If it cannot be read, the last
// one that could is used.
type cached[T any] struct {
	read   func() (T, error)
	failed func(error) // gets an error once, however often the secret is used

	mu       sync.Mutex
	last     T
	reported string // the error that it got last; empty: the secret could be read since
}

func (c *cached[T]) get() T {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.read()
	if err != nil {
		if text := err.Error(); text != c.reported {
			c.reported = text
			c.failed(err)
		}
		return c.last
	}
	c.reported = ""
	c.last = now
	return now
}

// password returns the password of a key.
func (r *Relay) password(key string, secret strictyaml.Secret) *cached[string] {
	return &cached[string]{
		read: func() (string, error) {
			now, err := secret.Reread()
			return now.Reveal(), err
		},
		failed: r.unreadable(key),
		last:   secret.Reveal(),
	}
}

// signingKey returns the key of the webhook.
func (r *Relay) signingKey(e config.Events) *cached[[]byte] {
	first, _ := e.Key()
	return &cached[[]byte]{
		read: func() ([]byte, error) {
			now := e
			var err error
			now.Secret, err = e.Secret.Reread()
			if err != nil {
				return nil, err
			}
			key, ok := now.Key()
			if !ok {
				return nil, errors.New("it is not whsec_ and 24 to 64 bytes in base64")
			}
			return key, nil
		},
		failed: r.unreadable("events.secret"),
		last:   first,
	}
}

// unreadable records why a secret cannot be read.
func (r *Relay) unreadable(key string) func(error) {
	return func(err error) { r.recordError(key+" cannot be read again; the previous one remains in use", err) }
}
