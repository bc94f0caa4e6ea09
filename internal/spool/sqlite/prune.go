package sqlite

import (
	"context"
	"time"

	"heyrelay/internal/spool"
)

// pruneState is how far Prune has come: it goes through messages, then notices, links,
// conversations and terms, and begins anew.
type pruneState struct {
	stage   int
	last    int64  // the message, notice or conversation examined last
	key     []byte // the link examined last
	term    int64  // the term examined last is this one of the message last
	threads int64  // conversations used before this go; fixed for a round, so that no link outlives its conversation
}

// Prune implements spool.Store.
func (s *Store) Prune(ctx context.Context, now time.Time, keep spool.Retention, limit int) (int, error) {
	return run(ctx, s, 0, func(w *writer) (int, error) {
		at := w.pruning
		w.after = append(w.after, func() { w.pruning = at })
		if at.stage == 0 && at.last == 0 {
			at.threads = stamp(now.Add(-keep.Threads))
		}
		stages := []func(*pruneState) (int, error){
			func(at *pruneState) (int, error) { return w.pruneMessages(at, now, keep, limit) },
			func(at *pruneState) (int, error) { return w.pruneOtherNotices(at, now, keep, limit) },
			func(at *pruneState) (int, error) { return w.pruneLinks(at, limit) },
			func(at *pruneState) (int, error) { return w.pruneConversations(at, limit) },
			func(at *pruneState) (int, error) { return w.pruneTerms(at, limit) },
		}
		for ; at.stage < len(stages); at.stage, at.last, at.key = at.stage+1, 0, nil {
			n, err := stages[at.stage](&at)
			if n > 0 || err != nil {
				return n, err
			}
		}
		at = pruneState{}
		_, err := w.exec(sqlVacuum)
		return 0, err
	})
}

const (
	// A little each time: the file shrinks slowly, and no operation waits for it.
	sqlVacuum = `PRAGMA incremental_vacuum(400)`

	sqlNextMessages = `
SELECT COALESCE(max(id), 0), count(*) FROM (SELECT id FROM message WHERE id > ? ORDER BY id LIMIT ?)`

	// since is when the last request of a message ended.
	since = `(SELECT COALESCE(max(ended), 0) FROM request WHERE message = message.id)`

	// unreported is a notice that has not left. The ways are bits of a number.
	unreported = `EXISTS (SELECT 1 FROM request r JOIN notice n ON n.request = r.id
                  WHERE r.message = message.id AND (1 << n.way) & ?)`

	sqlPruneContent = `
DELETE FROM content WHERE message IN (
SELECT id FROM message WHERE id > ? AND id <= ? AND accepted < ? AND ` + since + ` < ?
   AND NOT EXISTS (SELECT 1 FROM request WHERE message = message.id AND ` + isNotTaken + `)
   AND NOT ` + unreported + `)`

	// Those of which nothing is open, and that failed, were dropped or shadowed, or not.
	sqlOld = `
SELECT id FROM message
 WHERE id > ? AND id <= ? AND accepted < ? AND ` + since + ` < ?
   AND NOT EXISTS (SELECT 1 FROM request WHERE message = message.id AND ` + isOpen + `)
   AND EXISTS (SELECT 1 FROM request WHERE message = message.id AND ` + isWhole + `) = ?
   AND NOT ` + unreported

	sqlGoneRequests  = `SELECT route, state FROM request WHERE message = ?`
	sqlGoneCount     = `UPDATE counter SET gone = gone + 1 WHERE route = ? AND state = ?`
	sqlPruneNotices  = `DELETE FROM notice WHERE request IN (SELECT id FROM request WHERE message = ?)`
	sqlPruneAttempts = `DELETE FROM attempt WHERE request IN (SELECT id FROM request WHERE message = ?)`
	sqlPruneRequest  = `DELETE FROM request WHERE message = ?`
	sqlPruneBody     = `DELETE FROM content WHERE message = ?`
	sqlPruneMessage  = `DELETE FROM message WHERE id = ?`
)

// pruneMessages examines the next messages.
func (w *writer) pruneMessages(at *pruneState, now time.Time, keep spool.Retention, limit int) (n int, err error) {
	from := at.last
	if _, err := w.get(sqlNextMessages, []any{from, limit}, &at.last, &n); err != nil || n == 0 {
		return 0, err
	}
	content, ways := stamp(now.Add(-keep.Content)), waysOf(keep)
	if _, err := w.exec(sqlPruneContent, from, at.last, content, content, ways); err != nil {
		return n, err
	}
	for failed, age := range map[bool]time.Duration{false: keep.Sent, true: keep.Failed} {
		ended := stamp(now.Add(-age))
		old, err := w.ids(sqlOld, from, at.last, stamp(now.Add(-max(age, keep.Repeats))), ended, failed, ways)
		if err != nil {
			return n, err
		}
		for _, id := range old {
			if err := w.pruneMessage(id); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// waysOf has a bit for each way whose notices keep their message.
func waysOf(keep spool.Retention) (bits int64) {
	for _, way := range keep.Ways {
		bits |= 1 << way
	}
	return bits
}

// pruneMessage deletes a message. The ledger goes on counting its requests.
func (w *writer) pruneMessage(id int64) error {
	var gone []move
	err := w.each(sqlGoneRequests, []any{id}, func(row scanner) error {
		var m move
		err := row.Scan(&m.route, &m.state)
		gone = append(gone, m)
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range gone {
		if _, err := w.exec(sqlGoneCount, m.route, m.state); err != nil {
			return err
		}
	}
	for _, query := range []string{sqlPruneNotices, sqlPruneAttempts, sqlPruneRequest, sqlPruneBody, sqlPruneMessage} {
		if _, err := w.exec(query, id); err != nil {
			return err
		}
	}
	return nil
}

const (
	sqlNextNotices = `
SELECT COALESCE(max(id), 0), count(*) FROM (SELECT id FROM notice WHERE id > ? ORDER BY id LIMIT ?)`

	sqlPruneOtherNotices = `
DELETE FROM notice WHERE id > ? AND id <= ? AND request IS NULL AND happened < ? AND NOT (1 << way) & ?`
)

// pruneOtherNotices examines the next notices. Those that are about no request go with no message.
func (w *writer) pruneOtherNotices(at *pruneState, now time.Time, keep spool.Retention, limit int) (n int, err error) {
	from := at.last
	if _, err := w.get(sqlNextNotices, []any{from, limit}, &at.last, &n); err != nil || n == 0 {
		return 0, err
	}
	_, err = w.exec(sqlPruneOtherNotices, from, at.last, stamp(now.Add(-keep.Sent)), waysOf(keep))
	return n, err
}

const (
	sqlNextLinks = `
SELECT max(key), count(*) FROM (SELECT key FROM link WHERE key > ? ORDER BY key LIMIT ?)`

	sqlPruneLinks = `
DELETE FROM link
 WHERE key > ? AND key <= ? AND (SELECT last_used FROM conversation WHERE id = link.conversation) < ?`

	sqlNextConversations = `
SELECT COALESCE(max(id), 0), count(*) FROM (SELECT id FROM conversation WHERE id > ? ORDER BY id LIMIT ?)`

	sqlPruneConversations = `
DELETE FROM conversation
 WHERE id > ? AND id <= ? AND last_used < ? AND ` + hasNoRequest
)

// pruneLinks examines the next links.
func (w *writer) pruneLinks(at *pruneState, limit int) (n int, err error) {
	from := at.key
	if from == nil {
		from = []byte{}
	}
	if _, err := w.get(sqlNextLinks, []any{from, limit}, &at.key, &n); err != nil || n == 0 {
		return 0, err
	}
	_, err = w.exec(sqlPruneLinks, from, at.key, at.threads)
	return n, err
}

// pruneConversations examines the next conversations. One that still has a message is
// kept.
func (w *writer) pruneConversations(at *pruneState, limit int) (n int, err error) {
	from := at.last
	if _, err := w.get(sqlNextConversations, []any{from, limit}, &at.last, &n); err != nil || n == 0 {
		return 0, err
	}
	_, err = w.exec(sqlPruneConversations, from, at.last, at.threads)
	return n, err
}

// ids are the numbers that a query finds.
func (w *writer) ids(query string, args ...any) (list []int64, err error) {
	err = w.each(query, args, func(row scanner) error {
		var id int64
		err := row.Scan(&id)
		list = append(list, id)
		return err
	})
	return list, err
}
