package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"heyrelay/internal/spool"
)

const (
	sqlConversationDetail = `
SELECT team, inbox, participants, convo_id, title, last_used FROM conversation WHERE id = ?`

	sqlLetters = `
SELECT ` + entryColumns + `, r.joined, r.lookup_name,
       COALESCE(x.subject_offset, 0), COALESCE(substr(x.text, 1, ?), ''),
       COALESCE(` + rawOfPacked + `, substr(x.raw, 1, ?))
  FROM request r JOIN message m ON m.id = r.message JOIN conversation c ON c.id = r.conversation
  LEFT JOIN content x ON x.message = r.message
 WHERE r.conversation = ? AND r.id < ? ORDER BY r.id DESC LIMIT ?`

	sqlEntry = `
SELECT ` + entryColumns + `
  FROM request r JOIN message m ON m.id = r.message JOIN conversation c ON c.id = r.conversation
 WHERE r.id = ?`

	sqlSentContent = `
SELECT m.id, m.title, x.html, x.subject_offset, x.text, ` + rawOfPacked + `
  FROM message m JOIN content x ON x.message = m.id WHERE m.queue_id = ?`

	sqlSentRequests = `
SELECT r.id, r.local_id, r.recipients, r.subject_line, r.team, r.route, r.inbox,
       COALESCE(r.reply_to, NULLIF(r.requested_convo_id, 0), c.convo_id), r.state, r.joined
  FROM request r JOIN conversation c ON c.id = r.conversation WHERE r.message = ? ORDER BY r.id`
)

// Oldest implements spool.Reader.
func (r *Reader) Oldest(ctx context.Context) (spool.Entry, bool, error) {
	id, _, err := r.oldest(ctx)
	if err != nil || id == 0 {
		return spool.Entry{}, false, err
	}
	holds, err := r.Holds(ctx)
	if err != nil {
		return spool.Entry{}, false, err
	}
	var e entry
	err = r.db.QueryRowContext(ctx, sqlEntry, id).Scan(e.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return spool.Entry{}, false, nil // it ended and was removed meanwhile
	}
	if err != nil {
		return spool.Entry{}, false, classify(err)
	}
	e.complete(holds)
	return e.Entry, true, nil
}

// Conversation implements spool.Reader.
func (r *Reader) Conversation(
	ctx context.Context, id, below int64, limit int,
) (c spool.Conversation, letters []spool.Letter, err error) {
	tx, err := r.db.BeginTx(ctx, nil) // one moment for all that follows
	if err != nil {
		return c, nil, classify(err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	c.ID = id
	var participants string
	var used int64
	row := tx.QueryRowContext(ctx, sqlConversationDetail, id)
	err = row.Scan(&c.Team, &c.Inbox, &participants, &c.ConvoID, &c.Title, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil, fmt.Errorf("%w: conversation %d", spool.ErrNotFound, id)
	}
	if err != nil {
		return c, nil, classify(err)
	}
	c.Participants = strings.Split(participants, " ")
	c.LastUsed = moment(used)
	if below <= 0 {
		below = math.MaxInt64
	}
	letters, err = lettersOf(ctx, tx, id, below, limit)
	return c, letters, err
}

func lettersOf(ctx context.Context, q queries, id, below int64, limit int) (all []spool.Letter, err error) {
	holds, err := holdsOf(ctx, q)
	if err != nil {
		return nil, err
	}
	args := []any{spool.LetterExcerpt, spool.LetterHead, id, below, limit}
	err = eachRow(ctx, q, sqlLetters, args, func(row scanner) error {
		var e entry
		var l spool.Letter
		var x body
		err := row.Scan(append(e.dest(), &l.Joined, &l.By, &x.subjectOffset, &x.text, &x.raw)...)
		if err != nil {
			return err
		}
		if x.unpack(e.QueueID, withRaw) != nil {
			x = body{} // the others are shown, and the page of the message has the error
		}
		l.Head = bytes.Clone(x.raw[:min(len(x.raw), spool.LetterHead)]) // the rest is not kept in memory
		l.Excerpt = strings.Clone(firstRunes(x.text, spool.LetterExcerpt))
		e.complete(holds)
		l.Entry = e.Entry
		all = append(all, l)
		return nil
	})
	return all, err
}

// Sends implements spool.Reader.
func (r *Reader) Sends(ctx context.Context, queueID string) (all []*spool.Task, err error) {
	var message int64
	content := spool.Task{QueueID: queueID}
	var x body
	err = r.db.QueryRowContext(ctx, sqlSentContent, queueID).
		Scan(&message, &content.Title, &x.html, &x.subjectOffset, &x.text, &x.raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: content of %s", spool.ErrNotFound, queueID)
	}
	if err != nil {
		return nil, classify(err)
	}
	if err := x.unpack(queueID, bodiesOnly); err != nil {
		return nil, err
	}
	content.HTML, content.Text, content.SubjectOffset = x.html, x.text, x.subjectOffset
	err = eachRow(ctx, r.db, sqlSentRequests, []any{message}, func(row scanner) error {
		t := content
		var addresses string
		var subjectLine, joined bool
		var state spool.State
		err := row.Scan(&t.Request, &t.LocalID, &addresses, &subjectLine, &t.Team, &t.Route, &t.Inbox, &t.ConvoID,
			&state, &joined)
		if err != nil {
			return err
		}
		if subjectLine {
			t.Subject = t.Title
		}
		to, err := decodeRecipients(addresses)
		if err != nil {
			return err
		}
		t.To, t.Cc = to.To, to.Cc
		if state == spool.Shadowed && joined && t.ConvoID == 0 {
			t.To, t.Cc = nil, nil
			t.Title = ""
		}
		all = append(all, &t)
		return nil
	})
	return all, err
}

// firstRunes returns the first n characters of a text, all if it has fewer.
func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
