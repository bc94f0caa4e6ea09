package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"heyrelay/internal/spool"
)

const (
	locationNow = `COALESCE((` + sqlStoreInUse + `), '')`

	sqlSharedBlob = `SELECT id FROM blob WHERE route = ? AND digest = ? AND shared = 1 AND ? = ` + locationNow

	// An object that is garbage is about to be deleted, or was.
	sqlBlob = `
INSERT INTO blob (key, route, digest, size, shared)
SELECT ?, ?, ?, ?, ? = ` + locationNow + ` WHERE NOT EXISTS (SELECT 1 FROM garbage WHERE key = ?) RETURNING id`

	sqlAttachment = `
INSERT INTO attachment (link, blob, queue_id, route, accepted, name, content_type, inline, ends)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// attach records the files of a message, and returns the keys of those of which its route has the
// same octets already.
func (w *writer) attach(m *spool.Message) (unused []string, err error) {
	for i := range m.Files {
		f := &m.Files[i]
		var blob int64
		found, err := w.get(sqlSharedBlob, []any{m.Route, f.ContentDigest[:], m.FilesAt}, &blob)
		if err != nil {
			return nil, err
		}
		if found {
			unused = append(unused, f.Key)
		} else if err := w.insertBlob(m, f, &blob); err != nil {
			return nil, err
		}
		_, err = w.exec(sqlAttachment, f.ID[:], blob, m.QueueID, m.Route, stamp(m.Accepted), f.Name, f.ContentType,
			f.Inline, stamp(f.Expires))
		if err != nil {
			return nil, err
		}
	}
	return unused, nil
}

func (w *writer) insertBlob(m *spool.Message, f *spool.File, id *int64) error {
	stored, err := w.get(sqlBlob, []any{f.Key, m.Route, f.ContentDigest[:], f.Size, m.FilesAt, f.Key}, id)
	if err == nil && !stored {
		err = fmt.Errorf("message %s: the object %s was taken for garbage before the message was accepted",
			m.QueueID, f.Key)
	}
	return err
}

// keysOf are the keys of all files of a message.
func keysOf(m *spool.Message) (keys []string) {
	for i := range m.Files {
		keys = append(keys, m.Files[i].Key)
	}
	return keys
}

const (
	attachmentColumns = `
a.id, a.queue_id, a.route, a.name, a.content_type, b.size, a.inline, a.accepted, a.ends, a.revoked, b.key, b.digest`

	sqlAttachmentOf = `
SELECT ` + attachmentColumns + ` FROM attachment a JOIN blob b ON b.id = a.blob WHERE a.link = ? AND a.revoked = 0`

	sqlAttachments = `
SELECT ` + attachmentColumns + ` FROM attachment a JOIN blob b ON b.id = a.blob
 WHERE a.id < ? ORDER BY a.id DESC LIMIT ?`

	sqlAttachmentsOfRoute = `
SELECT ` + attachmentColumns + ` FROM attachment a JOIN blob b ON b.id = a.blob
 WHERE a.route = ? AND a.id < ? ORDER BY a.id DESC LIMIT ?`

	sqlAttachmentsOfMessage = `
SELECT ` + attachmentColumns + ` FROM attachment a JOIN blob b ON b.id = a.blob
 WHERE a.queue_id = ? AND (? = '' OR a.route = ?) AND a.id < ? ORDER BY a.id DESC LIMIT ?`

	sqlAllAttachmentsOfMessage = `
SELECT ` + attachmentColumns + ` FROM attachment a JOIN blob b ON b.id = a.blob WHERE a.queue_id = ? ORDER BY a.id`
)

// attachmentsOf reads the rows that a query finds.
func attachmentsOf(ctx context.Context, q queries, query string, args ...any) (all []spool.Attachment, err error) {
	err = eachRow(ctx, q, query, args, func(row scanner) error {
		a, err := scanAttachment(row)
		all = append(all, a)
		return err
	})
	return all, err
}

// scanAttachment reads a row of attachmentColumns.
func scanAttachment(row interface{ Scan(dest ...any) error }) (a spool.Attachment, err error) {
	var accepted, ends int64
	var digest []byte
	err = row.Scan(&a.Number, &a.QueueID, &a.Route, &a.Name, &a.ContentType, &a.Size, &a.Inline, &accepted, &ends,
		&a.Revoked, &a.Key, &digest)
	a.Accepted, a.Expires = moment(accepted), moment(ends)
	a.ContentDigest = hex.EncodeToString(digest)
	return a, err
}

// File implements spool.Files.
func (r *Reader) File(ctx context.Context, id spool.LinkHash) (spool.Attachment, error) {
	a, err := scanAttachment(r.db.QueryRowContext(ctx, sqlAttachmentOf, id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return spool.Attachment{}, fmt.Errorf("%w: no attachment has this link", spool.ErrNotFound)
	}
	return a, classify(err)
}

// Attachments implements spool.Reader.
func (r *Reader) Attachments(ctx context.Context, f spool.AttachmentFilter) (page spool.AttachmentPage, err error) {
	limit := limitOf(f.Limit)
	below := f.Older
	if below == 0 {
		below = math.MaxInt64
	}
	query, args := sqlAttachments, []any{below, limit + 1}
	switch {
	case f.QueueID != "":
		query, args = sqlAttachmentsOfMessage, []any{f.QueueID, f.Route, f.Route, below, limit + 1}
	case f.Route != "":
		query, args = sqlAttachmentsOfRoute, []any{f.Route, below, limit + 1}
	}
	page.Attachments, err = attachmentsOf(ctx, r.db, query, args...)
	if len(page.Attachments) > limit {
		page.Attachments = page.Attachments[:limit]
		page.Older = page.Attachments[limit-1].Number
	}
	return page, err
}

const sqlFileStats = `
SELECT count(*), COALESCE(sum(size), 0), (SELECT count(*) FROM attachment WHERE ends > ?),
       (SELECT count(*) FROM garbage)
  FROM blob`

// FileStats implements spool.Store.
func (r *Reader) FileStats(ctx context.Context, now time.Time) (s spool.FileStats, err error) {
	err = r.db.QueryRowContext(ctx, sqlFileStats, stamp(now)).Scan(&s.Objects, &s.Bytes, &s.Open, &s.Garbage)
	return s, classify(err)
}

const (
	sqlSigningKey    = `SELECT key FROM signing_key WHERE one = 1`
	sqlAddSigningKey = `INSERT INTO signing_key VALUES (1, ?) ON CONFLICT DO NOTHING`
)

// SigningKey implements spool.Files.
func (s *Store) SigningKey(ctx context.Context) ([]byte, error) {
	return run(ctx, s, 0, (*writer).signingKey)
}

// signingKey returns the key of the links, which it makes if there is none.
func (w *writer) signingKey() (key []byte, err error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	if _, err := w.exec(sqlAddSigningKey, fresh); err != nil {
		return nil, err
	}
	_, err = w.get(sqlSigningKey, nil, &key)
	return key, err
}

const (
	sqlStoreInUse = `SELECT location FROM blob_store WHERE one = 1`
	sqlUseStore   = `
INSERT INTO blob_store VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET location = excluded.location`

	// A new message brings an object of its own.
	sqlUnshare    = `UPDATE blob SET shared = 0 WHERE shared = 1`
	sqlUnshareOne = `UPDATE blob SET shared = 0 WHERE key = ? AND shared = 1`
)

// UseStore implements spool.Files.
func (s *Store) UseStore(ctx context.Context, location string) error {
	_, err := run(ctx, s, 0, func(w *writer) (int64, error) {
		var before string
		known, err := w.get(sqlStoreInUse, nil, &before)
		if before == location && known || err != nil {
			return 0, err
		}
		if _, err := w.exec(sqlUseStore, location); err != nil || !known {
			return 0, err
		}
		return w.exec(sqlUnshare)
	})
	return err
}

// Missing implements spool.Files.
func (s *Store) Missing(ctx context.Context, key string) error {
	_, err := run(ctx, s, 0, func(w *writer) (int64, error) { return w.exec(sqlUnshareOne, key) })
	return err
}

const (
	sqlIsAttached = `SELECT count(*) FROM attachment WHERE queue_id = ?`
	sqlRevoke     = `UPDATE attachment SET ends = min(ends, ?), revoked = 1 WHERE queue_id = ? AND revoked = 0`
)

// Revoke implements spool.Operator.
func (o *Operator) Revoke(ctx context.Context, now time.Time, queueID string) (int, error) {
	n, err := operate(ctx, o, func(w *writer) (int64, error) {
		attached := 0
		if _, err := w.get(sqlIsAttached, []any{queueID}, &attached); err != nil {
			return 0, err
		}
		if attached == 0 {
			return 0, fmt.Errorf("%w: %s has no attachments", spool.ErrNotFound, queueID)
		}
		return w.exec(sqlRevoke, stamp(now), queueID)
	})
	return int(n), err
}
