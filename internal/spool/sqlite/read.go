package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"heyrelay/internal/spool"
)

// Reader reads the spool, also while another process serves it. It implements
// spool.Reader.
type Reader struct{ db *sql.DB }

// OpenReader opens the spool at path for reading alone. It takes no lock and
// creates no spool: where there is none, the error is fs.ErrNotExist.
func OpenReader(path string) (*Reader, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read spool: there is none at %s: %w; heyrelay serve creates it, where spool.url says",
			path, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("read spool: %w%s", err, asOwner(err, os.Getuid()))
	}
	r, err := newReader(path, identity{})
	if err != nil {
		return nil, err
	}
	if err := r.known(); err != nil {
		return nil, errors.Join(fmt.Errorf("read spool %s: %w%s", path, err, asOwner(err, os.Getuid())), r.Close())
	}
	return r, nil
}

// asOwner says what to do about an error if it is because the user uid may not use the spool. Root
// may, and on Windows nobody has a uid.
func asOwner(err error, uid int) string {
	refused := errors.Is(err, fs.ErrPermission) || errors.Is(err, spool.ErrReadOnly)
	if !refused || uid <= 0 {
		return ""
	}
	return "; run the command as root, or as the user of heyrelay serve"
}

// newReader makes a pool of connections that cannot write. They are not opened
// read-only: the last to close a spool that no process serves removes its log. files are
// those of a spool that this process serves.
func newReader(path string, files identity) (*Reader, error) {
	db, err := openBeside(files, dsn(path, url.Values{"_query_only": {"1"}}))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	return &Reader{db}, nil
}

// reusable returns how many bytes of the spool's file hold nothing.
func (r *Reader) reusable() (int64, error) {
	var pages, size int64
	if err := r.db.QueryRow("PRAGMA freelist_count").Scan(&pages); err != nil {
		return 0, classify(err)
	}
	if err := r.db.QueryRow("PRAGMA page_size").Scan(&size); err != nil {
		return 0, classify(err)
	}
	return pages * size, nil
}

// known returns an error unless the schema is the current one.
func (r *Reader) known() error {
	version, err := schemaVersion(context.Background(), r.db)
	if err == nil && version < currentVersion() {
		return fmt.Errorf("version %d of the schema is not up to date: start heyrelay serve once", version)
	}
	return err
}

// Close closes the pool.
func (r *Reader) Close() error { return r.db.Close() }

const (
	sqlLast = `SELECT COALESCE(max(id), 0) FROM request`

	entryColumns = `
m.queue_id, m.accepted, m.sender, m.title, r.id, r.local_id, r.state, r.unknown, r.route, r.recipients,
r.attempts, r.due,
COALESCE(NULLIF(r.convo_id, 0), c.convo_id),
COALESCE((SELECT reason FROM attempt WHERE request = r.id AND ended <> 0 ORDER BY n DESC LIMIT 1), ''),
r.hold, r.team, r.inbox, m.shadow, m.refusal`
)

// entry is a row of entryColumns on its way to a spool.Entry.
type entry struct {
	spool.Entry
	accepted, due int64
	state         spool.State // stored, then as it is shown
	hold          string      // reason of its own hold, "" for none
	shadow        spool.Shadow
	at            spool.Destination
	addresses     string // recipients, encoded
	recipients    recipients
}

func (e *entry) dest() []any {
	return []any{
		&e.QueueID, &e.accepted, &e.Sender, &e.Title, &e.Number, &e.LocalID, &e.state, &e.Unknown, &e.Route, &e.addresses,
		&e.Attempts, &e.due, &e.ConvoID, &e.Reason, &e.hold, &e.at.Team, &e.at.Inbox, &e.shadow.Reply, &e.shadow.Refusal,
	}
}

// complete fills in what follows from the row and from the holds.
func (e *entry) complete(holds []spool.Hold) {
	e.at.Route = e.Route
	_, e.Smarthost = spool.SmarthostRoute(e.at.Team)
	e.state, e.Hold = shown(e.state, holds, e.hold, e.at)
	e.Accepted, e.State = moment(e.accepted), e.state.String()
	switch e.state {
	case spool.Sent, spool.Flagged: // one local_id is sent once, but a smarthost may have delivered twice
		e.Unknown = e.Unknown && e.Smarthost
	case spool.Deferred:
		e.Due = moment(e.due)
	case spool.Queued:
		e.Reason = "queued behind another message of its conversation"
	case spool.Shadowed:
		e.Reason = e.shadow.String()
	case spool.Held:
		e.HoldLevel = e.Hold.Level()
		e.Reason = e.hold
		if e.hold == "" {
			e.Reason = e.Hold.String()
		}
	}
	e.recipients = readable(e.addresses)
	e.To, e.Cc = e.recipients.To, e.recipients.Cc
}

const (
	sqlMessageDetail = `
SELECT id, accepted, client, sender, route, team, inbox, title, message_id, warnings FROM message WHERE queue_id = ?`

	sqlRequests = `
SELECT ` + entryColumns + `, r.priority, r.conversation, r.joined, r.lookup_name, r.message_id,
       COALESCE((SELECT o.queue_id FROM request f JOIN message o ON o.id = f.message
                  WHERE f.conversation = r.conversation ORDER BY f.id LIMIT 1), '')
  FROM request r JOIN message m ON m.id = r.message JOIN conversation c ON c.id = r.conversation
 WHERE r.message = ? ORDER BY r.id`

	sqlAttempts = `
SELECT n, call, began, ended, unknown, status, api_id, reason FROM attempt WHERE request = ?1
 UNION ALL
SELECT attempts, call, began, 0, 0, 0, '', '' FROM request WHERE id = ?1 AND ` + isActive + `
 ORDER BY n`
)

// Show implements spool.Reader.
func (r *Reader) Show(ctx context.Context, queueID string) (detail spool.MessageDetail, err error) {
	tx, err := r.db.BeginTx(ctx, nil) // one moment for all that follows
	if err != nil {
		return detail, classify(err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	detail.QueueID = queueID
	var message, accepted int64
	var messageIDs string
	err = tx.QueryRowContext(ctx, sqlMessageDetail, queueID).Scan(&message, &accepted, &detail.Client, &detail.Sender,
		&detail.Route, &detail.Team, &detail.Inbox, &detail.Title, &messageIDs, &detail.Warnings)
	if errors.Is(err, sql.ErrNoRows) {
		return detail, fmt.Errorf("%w: %s", spool.ErrNotFound, queueID)
	}
	if err != nil {
		return detail, classify(err)
	}
	detail.Accepted = moment(accepted)
	detail.MessageIDs = strings.Fields(messageIDs)
	holds, err := holdsOf(ctx, tx)
	if err != nil {
		return detail, err
	}
	detail.Attachments, err = attachmentsOf(ctx, tx, sqlAllAttachmentsOfMessage, queueID)
	if err != nil {
		return detail, err
	}
	detail.Requests, err = requestsOf(ctx, tx, message, holds)
	if err != nil {
		return detail, err
	}
	for i := range detail.Requests {
		r := &detail.Requests[i]
		r.Tries, err = attemptsOf(ctx, tx, r.Number)
		if err != nil {
			return detail, err
		}
	}
	return detail, nil
}

func requestsOf(
	ctx context.Context, q queries, message int64, holds []spool.Hold,
) (all []spool.RequestDetail, err error) {
	err = eachRow(ctx, q, sqlRequests, []any{message}, func(row scanner) error {
		var e entry
		var s spool.RequestDetail
		var priority spool.Priority
		dest := append(e.dest(), &priority, &s.Conversation, &s.Joined, &s.By, &s.MessageID, &s.Opener)
		if err := row.Scan(dest...); err != nil {
			return err
		}
		e.complete(holds)
		s.Entry, s.Priority = e.Entry, priority.String()
		if e.state != spool.Shadowed || !s.Joined || s.ConvoID != 0 {
			s.Opener = ""
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

func attemptsOf(ctx context.Context, q queries, request int64) (tries []spool.AttemptDetail, err error) {
	err = eachRow(ctx, q, sqlAttempts, []any{request}, func(row scanner) error {
		var a spool.AttemptDetail
		var call spool.Call
		var began, ended int64
		if err := row.Scan(&a.N, &call, &began, &ended, &a.Unknown, &a.Status, &a.APIID, &a.Reason); err != nil {
			return err
		}
		a.Call, a.Began, a.Ended = call.String(), moment(began), moment(ended)
		tries = append(tries, a)
		return nil
	})
	return tries, err
}
