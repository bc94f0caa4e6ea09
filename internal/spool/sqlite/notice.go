package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

const (
	sqlAddReport = `
INSERT INTO notice (id, way, happened, due, request, attempt, action, until)
SELECT ?, 0, ?, max(?, m.reports_after), r.id, ?, ?, ? FROM request r JOIN message m ON m.id = r.message WHERE r.id = ?`
	sqlDelayed    = `UPDATE request SET delayed = 1 WHERE id = ?`
	sqlAddEvent   = `INSERT INTO notice (id, way, happened, due, request, event) VALUES (?, 1, ?, ?, ?, ?)`
	sqlLastNotice = `SELECT COALESCE(max(id), 0) FROM notice`
	// A request that is tried again has not failed.
	sqlUnreport        = `DELETE FROM notice WHERE request = ? AND action = 'failed'`
	sqlSuppressReports = `
DELETE FROM notice
 WHERE request IN (SELECT r.id FROM message m JOIN request r ON r.message = m.id WHERE m.queue_id = ?)
   AND action IS NOT NULL`
	sqlReleaseReports = `
UPDATE notice SET due = ?
 WHERE id IN (SELECT n.id FROM message m JOIN request r ON r.message = m.id JOIN notice n ON n.request = r.id
               WHERE m.queue_id = ? AND n.action IS NOT NULL AND n.due = m.reports_after)
   AND due > ?`
)

// addNotices stores the notices of an outcome.
func (w *writer) addNotices(now time.Time, o *spool.Outcome) error {
	if err := w.addEvent(now, o.Task.Request, o.Event); err != nil || o.Report == "" {
		return err
	}
	if o.Report == spool.DelayedAction {
		if _, err := w.exec(sqlDelayed, o.Task.Request); err != nil {
			return err
		}
	}
	return w.addNotice(sqlAddReport,
		stamp(now), stamp(now), o.Task.Attempt, o.Report, stamp(o.Until), o.Task.Request)
}

// addEvent stores an event, unless it is nil, about a request or about nil.
func (w *writer) addEvent(now time.Time, request any, event []byte) error {
	if event == nil {
		return nil
	}
	return w.addNotice(sqlAddEvent, stamp(now), stamp(now), request, event)
}

// addNotice stores a notice under a new number. While this process runs, none comes again: who has delivered
// a notice that was deleted meanwhile ends no other.
func (w *writer) addNotice(query string, args ...any) error {
	if w.notice == 0 {
		if _, err := w.get(sqlLastNotice, nil, &w.notice); err != nil {
			return err
		}
	}
	w.notice++
	_, err := w.exec(query, append([]any{w.notice}, args...)...)
	return err
}

// AddEvent implements spool.Store.
func (s *Store) AddEvent(ctx context.Context, now time.Time, event []byte) error {
	_, err := run(ctx, s, len(event), func(w *writer) (struct{}, error) {
		return struct{}{}, w.addEvent(now, nil, event)
	})
	return err
}

// SuppressReports implements spool.Store.
func (s *Store) SuppressReports(ctx context.Context, queueID string) error {
	_, err := run(ctx, s, 0, func(w *writer) (int64, error) { return w.exec(sqlSuppressReports, queueID) })
	return err
}

// ReleaseReports implements spool.Store.
func (s *Store) ReleaseReports(ctx context.Context, now time.Time, queueID string) error {
	_, err := run(ctx, s, 0, func(w *writer) (int64, error) {
		return w.exec(sqlReleaseReports, stamp(now), queueID, stamp(now))
	})
	return err
}

const (
	// No notice is deferred for longer than this, unless the clock jumped back since.
	maxDeferral = 2 * time.Hour

	sqlDeferredTooFar = `UPDATE notice SET due = ? WHERE way = ? AND due > ?`
	sqlNotices        = `
SELECT id, happened, tries, request, attempt, action, until, event FROM notice
 WHERE way = ? AND due <= ? ORDER BY due LIMIT ?`
	sqlDefer      = `UPDATE notice SET due = ?, tries = tries + ? WHERE id = ?`
	sqlNextNotice = `SELECT due FROM notice WHERE way = ? ORDER BY due LIMIT 1`
	sqlDone       = `DELETE FROM notice WHERE id = ?`
)

// Notices implements spool.Notices.
func (s *Store) Notices(
	ctx context.Context, now time.Time, lease time.Duration, way spool.Way, limit int,
) (due []spool.Notice, next time.Time, err error) {
	due, err = run(ctx, s, 0, func(w *writer) (due []spool.Notice, err error) {
		if _, err := w.exec(sqlDeferredTooFar, stamp(now), way, stamp(now.Add(maxDeferral))); err != nil {
			return nil, err
		}
		due, err = w.notices(now, way, limit)
		if err != nil {
			return nil, err
		}
		for _, n := range due {
			if _, err := w.exec(sqlDefer, stamp(now.Add(lease)), 0, n.ID); err != nil {
				return nil, err
			}
		}
		var at int64
		_, err = w.get(sqlNextNotice, []any{way}, &at)
		next = moment(at)
		return due, err
	})
	return due, next, err
}

// notices reads what is due.
func (w *writer) notices(now time.Time, way spool.Way, limit int) (due []spool.Notice, err error) {
	type about struct{ request, attempt sql.NullInt64 }
	var abouts []about
	err = w.each(sqlNotices, []any{way, stamp(now), limit}, func(row scanner) error {
		n, a := spool.Notice{Way: way}, about{}
		var happened, until int64
		var action sql.NullString
		err := row.Scan(&n.ID, &happened, &n.Tries, &a.request, &a.attempt, &action, &until, &n.Event)
		n.Happened = moment(happened)
		if action.Valid {
			n.Report = &spool.Report{Action: spool.Action(action.String), Until: moment(until)}
		}
		due, abouts = append(due, n), append(abouts, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range due {
		n := &due[i]
		if n.Report == nil {
			continue
		}
		n.Unreadable = w.report(n.Report, abouts[i].request.Int64, abouts[i].attempt.Int64)
		if isMedium(n.Unreadable) {
			return nil, n.Unreadable
		}
	}
	return due, nil
}

// A check that finds the conversation of a refused reply confirms the refusal: that is what failed the request.
const sqlReportDetail = `
SELECT m.id, m.queue_id, r.local_id, m.accepted, m.sender, m.envelope_id, m.return, m.title,
       COALESCE(x.subject_offset, 0), x.raw, r.recipients, r.dsn,
       a.reason, COALESCE(f.status, a.status), COALESCE(f.api_id, a.api_id), a.began, r.unknown, r.team
  FROM request r
  JOIN message m ON m.id = r.message
  JOIN attempt a ON a.request = r.id AND a.n = ?
  LEFT JOIN attempt f ON f.request = r.id AND f.n = r.refused_attempt
       AND a.` + callIsCheck + ` AND r.conversation_alive
  LEFT JOIN content x ON x.message = r.message
 WHERE r.id = ?`

// report reads the content of a report about an attempt of a request.
func (w *writer) report(p *spool.Report, request, attempt int64) error {
	var message, accepted, tried int64
	var addresses, asked, team string
	var x body
	ok, err := w.get(sqlReportDetail, []any{attempt, request},
		&message, &p.QueueID, &p.LocalID, &accepted, &p.Sender, &p.EnvelopeID, &p.Return, &p.Title,
		&x.subjectOffset, &x.raw, &addresses, &asked, &p.Reason, &p.Status, &p.APIID, &tried, &p.Unknown, &team)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%w: a report is about attempt %d of request %d, which is not there",
			spool.ErrCorrupt, attempt, request)
	}
	if x.unpack(p.QueueID, withRaw) != nil {
		x = body{} // a report does without what is damaged: others are behind it
	}
	p.Raw, err = wholeRaw(w.each, message, x.raw)
	if err != nil {
		return err
	}
	p.Accepted, p.Tried = moment(accepted), moment(tried)
	_, p.Smarthost = spool.SmarthostRoute(team)
	to, err := decodeRecipients(addresses)
	if err != nil {
		return err
	}
	dsn, err := decodeDSN(asked)
	for i, a := range to.all() {
		r := spool.ReportRecipient{Address: a}
		if i < len(dsn) {
			r.DSN = dsn[i]
		}
		p.Recipients = append(p.Recipients, r)
	}
	return err
}

// Done implements spool.Notices.
func (s *Store) Done(ctx context.Context, id int64) error {
	_, err := run(ctx, s, 0, func(w *writer) (int64, error) { return w.exec(sqlDone, id) })
	return err
}

// Defer implements spool.Notices.
func (s *Store) Defer(ctx context.Context, id int64, due time.Time) error {
	_, err := run(ctx, s, 0, func(w *writer) (int64, error) { return w.exec(sqlDefer, stamp(due), 1, id) })
	return err
}

// encodeDSN is what the client requested about the recipients, as JSON; "" for nothing.
func encodeDSN(r *spool.Request) string {
	if r.DSN == nil {
		return ""
	}
	b, _ := json.Marshal(r.DSN) // strings always marshal
	return string(b)
}

// decodeDSN reads what encodeDSN wrote.
func decodeDSN(s string) (asked []spool.DSN, err error) {
	if s == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(s), &asked); err != nil {
		return nil, fmt.Errorf("%w: dsn %q: %w", spool.ErrCorrupt, s, err)
	}
	return asked, nil
}
