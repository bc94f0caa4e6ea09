package sqlite

import (
	"context"
	"fmt"
)

// Ping implements spool.Store.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.takes(0); err != nil {
		return err
	}
	_, err := run(ctx, s, 0, func(w *writer) (struct{}, error) { return struct{}{}, w.touch() })
	return err
}

// touch writes the version of the schema again. SQLite writes its page even if the
// version is the same.
func (w *writer) touch() error {
	_, err := w.exec(fmt.Sprintf("PRAGMA user_version = %d", currentVersion()))
	return err
}
