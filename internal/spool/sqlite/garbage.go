package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"heyrelay/internal/spool"
)

var (
	_ spool.Cleaning = (*Store)(nil)
	_ spool.Cleaning = (*Operator)(nil)
)

// Owner implements spool.Cleaning.
func (s *Store) Owner(ctx context.Context) ([4]byte, error) { return run(ctx, s, 0, (*writer).owner) }

// Owner implements spool.Cleaning.
func (o *Operator) Owner(ctx context.Context) ([4]byte, error) {
	return operate(ctx, o, (*writer).owner)
}

// owner is derived from the signing key, of which it reveals nothing.
func (w *writer) owner() ([4]byte, error) {
	key, err := w.signingKey()
	digest := sha256.Sum256(append([]byte("owner of objects "), key...))
	return [4]byte(digest[:4]), err
}

// PruneFiles implements spool.Cleaning.
func (s *Store) PruneFiles(ctx context.Context, now time.Time, limit int) (int, error) {
	return run(ctx, s, 0, func(w *writer) (int, error) { return w.pruneFiles(now, limit) })
}

// PruneFiles implements spool.Cleaning.
func (o *Operator) PruneFiles(ctx context.Context, now time.Time, limit int) (int, error) {
	return operate(ctx, o, func(w *writer) (int, error) { return w.pruneFiles(now, limit) })
}

const (
	sqlEndedLinks       = `SELECT id, blob FROM attachment WHERE ends <= ? ORDER BY ends LIMIT ?`
	sqlDeleteAttachment = `DELETE FROM attachment WHERE id = ?`

	sqlBlobIsGarbage = `
INSERT INTO garbage SELECT key FROM blob WHERE id = ? AND NOT EXISTS (SELECT 1 FROM attachment WHERE blob = blob.id)`
	sqlDeleteBlob = `DELETE FROM blob WHERE id = ? AND NOT EXISTS (SELECT 1 FROM attachment WHERE blob = blob.id)`
)

func (w *writer) pruneFiles(now time.Time, limit int) (int, error) {
	type attachment struct{ id, blob int64 }
	var ended []attachment
	err := w.each(sqlEndedLinks, []any{stamp(now), limit}, func(row scanner) error {
		var a attachment
		err := row.Scan(&a.id, &a.blob)
		ended = append(ended, a)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, a := range ended {
		if _, err := w.exec(sqlDeleteAttachment, a.id); err != nil {
			return 0, err
		}
		if _, err := w.exec(sqlBlobIsGarbage, a.blob); err != nil {
			return 0, err
		}
		if _, err := w.exec(sqlDeleteBlob, a.blob); err != nil {
			return 0, err
		}
	}
	return len(ended), nil
}

const sqlGarbage = `SELECT key FROM garbage WHERE key > ? ORDER BY key LIMIT ?`

// Garbage implements spool.Cleaning.
func (r *Reader) Garbage(ctx context.Context, after string, limit int) ([]string, error) {
	return r.keys(ctx, sqlGarbage, after, limit)
}

// keys are the keys that a query finds.
func (r *Reader) keys(ctx context.Context, query string, args ...any) (keys []string, err error) {
	err = eachRow(ctx, r.db, query, args, func(row scanner) error {
		var key string
		err := row.Scan(&key)
		keys = append(keys, key)
		return err
	})
	return keys, err
}

// Discard implements spool.Cleaning.
func (s *Store) Discard(ctx context.Context, keys ...string) (int, error) {
	unknown, err := s.unknown(ctx, keys)
	if err != nil || len(unknown) == 0 {
		return 0, err
	}
	return run(ctx, s, 0, func(w *writer) (int, error) { return w.discard(unknown) })
}

// Discard implements spool.Cleaning.
func (o *Operator) Discard(ctx context.Context, keys ...string) (int, error) {
	unknown, err := o.unknown(ctx, keys)
	if err != nil || len(unknown) == 0 {
		return 0, err
	}
	return operate(ctx, o, func(w *writer) (int, error) { return w.discard(unknown) })
}

const (
	sqlUnknownObjects = `
SELECT j.value FROM json_each(?) j
 WHERE NOT EXISTS (SELECT 1 FROM blob WHERE key = j.value) AND NOT EXISTS (SELECT 1 FROM garbage WHERE key = j.value)`

	sqlDiscard = `
INSERT INTO garbage SELECT ? WHERE NOT EXISTS (SELECT 1 FROM blob WHERE key = ?) ON CONFLICT DO NOTHING`
)

// unknown returns those of keys that the spool does not know. Most are known, and cost the writer
// nothing.
func (r *Reader) unknown(ctx context.Context, keys []string) ([]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return r.keys(ctx, sqlUnknownObjects, string(text))
}

// discard makes garbage of objects, unless a message that came meanwhile has them.
func (w *writer) discard(keys []string) (n int, err error) {
	for _, key := range keys {
		discarded, err := w.exec(sqlDiscard, key, key)
		if err != nil {
			return 0, err
		}
		n += int(discarded)
	}
	return n, nil
}

// Deleted implements spool.Cleaning.
func (s *Store) Deleted(ctx context.Context, keys ...string) error {
	_, err := run(ctx, s, 0, func(w *writer) (struct{}, error) { return struct{}{}, w.deleted(keys) })
	return err
}

// Deleted implements spool.Cleaning.
func (o *Operator) Deleted(ctx context.Context, keys ...string) error {
	return o.transact(ctx, func(w *writer) error { return w.deleted(keys) })
}

const sqlDeleted = `DELETE FROM garbage WHERE key = ?`

func (w *writer) deleted(keys []string) error {
	for _, key := range keys {
		if _, err := w.exec(sqlDeleted, key); err != nil {
			return err
		}
	}
	return nil
}
