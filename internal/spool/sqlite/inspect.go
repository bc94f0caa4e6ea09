package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"heyrelay/internal/spool"
)

const (
	sqlContentOf = `
SELECT m.id, c.html, c.subject_offset, c.text, c.raw
  FROM message m JOIN content c ON c.message = m.id WHERE m.queue_id = ?`

	sqlPendingNotices = `
SELECT n.way, n.happened, n.due, n.tries, COALESCE(n.action, ''), n.event,
       COALESCE(m.queue_id, ''), COALESCE(r.route, ''), COALESCE(m.sender, '')
  FROM notice n LEFT JOIN request r ON r.id = n.request LEFT JOIN message m ON m.id = r.message
 WHERE (? = '' OR r.route = ?) AND n.happened < ?
 ORDER BY n.due, n.id LIMIT ?`
)

// Content implements spool.Reader.
func (r *Reader) Content(ctx context.Context, queueID string) (c spool.Content, err error) {
	tx, err := r.db.BeginTx(ctx, nil) // all of it is of one moment
	if err != nil {
		return c, classify(err)
	}
	defer func() { _ = tx.Rollback() }() // it changed nothing
	var id int64
	var x body
	err = tx.QueryRowContext(ctx, sqlContentOf, queueID).Scan(&id, &x.html, &x.subjectOffset, &x.text, &x.raw)
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("%w: content of %s", spool.ErrNotFound, queueID)
	}
	if err != nil {
		return c, classify(err)
	}
	if err := x.unpack(queueID, withRaw); err != nil {
		return c, err
	}
	c.HTML, c.Text = x.html, x.text
	c.Raw, err = wholeRaw(func(query string, args []any, scan func(scanner) error) error {
		return eachRow(ctx, tx, query, args, scan)
	}, id, x.raw)
	return c, err
}

// PendingNotices implements spool.Reader.
func (r *Reader) PendingNotices(ctx context.Context, f spool.Filter) (list []spool.PendingNotice, err error) {
	before := int64(math.MaxInt64)
	if !f.Before.IsZero() {
		before = stamp(f.Before)
	}
	args := []any{f.Route, f.Route, before, limitOf(f.Limit)}
	err = eachRow(ctx, r.db, sqlPendingNotices, args, func(row scanner) error {
		var n spool.PendingNotice
		var way spool.Way
		var happened, due int64
		var event []byte
		err := row.Scan(&way, &happened, &due, &n.Tries, &n.Kind, &event, &n.QueueID, &n.Route, &n.Sender)
		if err != nil {
			return err
		}
		n.Happened = moment(happened)
		n.Due = moment(due)
		n.Notice = "report"
		if way == spool.Hook {
			n.Notice = "event"
			n.Kind = eventType(event)
		}
		list = append(list, n)
		return nil
	})
	return list, err
}

// eventType is the type that an event's JSON has, "" for none.
func eventType(event []byte) string {
	var e struct{ Type string }
	_ = json.Unmarshal(event, &e) // an event without a type is shown without one
	return e.Type
}
