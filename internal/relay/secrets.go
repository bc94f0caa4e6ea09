package relay

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/strictyaml"
)

// secretsInterval is how often the files with the teams' secrets are read again.
const secretsInterval = 30 * time.Second

// Reload takes over the secrets of a configuration that was loaded again, and reads
// the certificate again. It records what else has changed: that needs a restart.
func (r *Relay) Reload(cfg *config.Config) {
	r.secrets.Store(cfg)
	r.rereadCredentials(map[string]string{})
	if r.certificate != nil {
		_, _ = r.certificate.Get(nil) // it records its errors
	}
	reason := "secrets and certificate were read again; nothing else has changed"
	if waiting := needRestart(r.cfg.Differences(cfg)); len(waiting) > 0 {
		reason = "secrets and certificate were read again; restart heyrelay to apply " + strings.Join(waiting, ", ")
	}
	r.sink.Record(events.Event{Kind: events.Reloaded, Time: r.now(), Reason: reason})
}

// needRestart returns the changed keys that are no secrets of a team, of the
// smarthost or of the webhook.
func needRestart(changed []string) []string {
	return slices.DeleteFunc(changed, func(path string) bool {
		parts := strings.SplitN(path, ".", 3)
		if parts[0] == "teams" && len(parts) == 3 {
			return parts[2] == "api_key" || strings.HasPrefix(parts[2], "secrets")
		}
		return path == "bounces.password" || path == "events.secret"
	})
}

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
	for _, name := range slices.Sorted(maps.Keys(r.clients)) {
		_, err := r.clients[name].Reload()
		if err == nil {
			delete(reported, name)
			continue
		}
		if text := err.Error(); reported[name] != text {
			reported[name] = text
			r.recordError("the credentials of team "+name+" cannot be read again, the previous ones remain in use", err)
		}
	}
}

// credentialSource returns the heymarket.Options.Source of a team. It records when
// its credentials have changed.
func (r *Relay) credentialSource(team string) source {
	last := credentials(r.cfg.Teams[team])
	return func() (heymarket.Credentials, error) {
		t, ok := r.secrets.Load().Teams[team]
		if !ok { // it was removed, which needs a restart
			t = r.cfg.Teams[team]
		}
		t, err := reread(t)
		if err != nil {
			return heymarket.Credentials{}, err
		}
		now := credentials(t)
		if !reflect.DeepEqual(now, last) {
			last = now
			const reason = "the team's credentials have changed"
			r.sink.Record(events.Event{Kind: events.Reloaded, Time: r.now(), Team: team, Reason: reason})
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

// smarthostPassword returns the password as its file has it now.
func (r *Relay) smarthostPassword() string {
	return r.password.get(func() (string, error) {
		s, err := r.secrets.Load().Bounces.Password.Reread()
		return s.Reveal(), err
	}, func(err error) {
		r.recordError("bounces.password cannot be read again, the previous one remains in use", err)
	})
}

// webhookKey returns the signing key as its file has it now.
func (r *Relay) webhookKey() []byte {
	return r.signingKey.get(func() ([]byte, error) {
		e := r.secrets.Load().Events
		s, err := e.Secret.Reread()
		if err != nil {
			return nil, err
		}
		e.Secret = s
		key, ok := e.Key()
		if !ok {
			return nil, errors.New("it is not whsec_ and 24 to 64 bytes in base64")
		}
		return key, nil
	}, func(err error) {
		r.recordError("events.secret cannot be read again, the previous one remains in use", err)
	})
}

// cached is a value that is read whenever it is used. If it cannot be read, the last
// one that could is used.
type cached[T any] struct {
	mu   sync.Mutex
	last T
}

func (c *cached[T]) get(read func() (T, error), failed func(error)) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := read()
	if err != nil {
		failed(err)
		return c.last
	}
	c.last = now
	return now
}
