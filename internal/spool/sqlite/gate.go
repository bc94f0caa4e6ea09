package sqlite

import (
	"context"
	"time"

	"heyrelay/internal/spool"
)

const (
	sqlGate     = `SELECT next, slot FROM gate WHERE team = ? AND route = ''`
	sqlSaveGate = `
INSERT INTO gate (team, route, next, slot) VALUES (?, '', ?, ?)
    ON CONFLICT (team, route) DO UPDATE SET next = excluded.next, slot = excluded.slot`
)

// Spend implements spool.Store.
func (s *Store) Spend(ctx context.Context, now time.Time, team string, rate, calls int) error {
	_, err := run(ctx, s, 0, func(w *writer) (int64, error) {
		var next, slot int64
		if _, err := w.get(sqlGate, []any{team}, &next, &slot); err != nil {
			return 0, err
		}
		return w.exec(sqlSaveGate, team, stamp(spool.Debit(rate, calls, now, moment(next))), slot)
	})
	return err
}
