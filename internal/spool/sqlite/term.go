package sqlite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

var sqlTerms = rowsOf("INSERT INTO term (key, message) VALUES", "(?, ?)", "ON CONFLICT DO NOTHING")

// What a term can be of.
const (
	ofRecipient = "recipient"
	ofMessageID = "message-id"
	ofLocalID   = "local-id"
)

// term is the key under which a message is found by a text.
func term(kind, text string) int64 {
	sum := sha256.Sum256([]byte(kind + "\x00" + fold(text)))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// fold returns a text that is equal for texts that differ in letter case only.
func fold(text string) string { return strings.ToLower(strings.ToUpper(text)) }

// plainID returns a Message-ID without < and >.
func plainID(id string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(id), "<"), ">")
}

// termsAt is how many messages without terms there are when terms are recorded, and termRows of how many
// requests at once. A search looks through all that have none.
const (
	termsAt  = 1000
	termRows = 4000
)

// termed says how far terms are recorded. The zero value is that of a writer that accepts nothing.
type termed struct {
	done   int64 // the last message that has its terms
	stored int64 // the same, in the file
	newest int64 // the last message
}

const (
	sqlTermed     = `SELECT message, (SELECT COALESCE(max(id), 0) FROM message) FROM terms_of`
	sqlSaveTermed = `UPDATE terms_of SET message = ?`

	sqlTermsEnd = `SELECT message FROM request WHERE message > ? ORDER BY message LIMIT 1 OFFSET ?`
	sqlNoTerms  = `
SELECT m.id, m.message_id, r.local_id, r.recipients FROM request r JOIN message m ON m.id = r.message
 WHERE r.message > ? AND r.message <= ?`
)

// readTermed reads how far terms are recorded.
func readTermed(ctx context.Context, q queries) (t termed, err error) {
	err = q.QueryRowContext(ctx, sqlTermed).Scan(&t.done, &t.newest)
	t.stored = t.done
	return t, classify(err)
}

// added notes a new message. After the newest was deleted, its number can come again.
func (t *termed) added(id int64) {
	t.newest = id
	t.done = min(t.done, id-1)
}

// saveTerms records the terms of messages if there are enough without, and how far it has come.
func (w *writer) saveTerms() error {
	t := &w.termed
	if t.newest > t.done && t.newest-t.done >= int64(w.termsAt) {
		last := t.newest
		tooMany, err := w.get(sqlTermsEnd, []any{t.done, termRows}, &last)
		if tooMany {
			last = max(last-1, t.done+1)
		}
		if err == nil {
			err = w.recordTerms(t.done, last)
		}
		if err != nil {
			return err
		}
		t.done = last
	}
	if t.done == t.stored {
		return nil
	}
	t.stored = t.done
	_, err := w.exec(sqlSaveTermed, t.done)
	return err
}

// termRow is the key of a term with a message that is found by it.
type termRow struct{ key, message int64 }

// recordTerms records the terms of the messages after one up to another, in the order of the keys.
func (w *writer) recordTerms(after, last int64) error {
	var all []termRow
	err := w.each(sqlNoTerms, []any{after, last}, func(row scanner) error {
		var message int64
		var messageIDs, localID, addresses string
		if err := row.Scan(&message, &messageIDs, &localID, &addresses); err != nil {
			return err
		}
		for _, key := range termsOf(messageIDs, localID, addresses) {
			all = append(all, termRow{key, message})
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b termRow) int { return cmp.Compare(a.key, b.key) })
	var args []any
	for _, f := range all {
		args = append(args, f.key, f.message)
	}
	_, err = w.insertRows(&sqlTerms, 2, args)
	return err
}

// termsOf returns the keys of what a message can be found by, as stored with it and a request of it.
func termsOf(messageIDs, localID, addresses string) (keys []int64) {
	for _, id := range strings.Fields(messageIDs) {
		keys = append(keys, term(ofMessageID, id))
	}
	keys = append(keys, term(ofLocalID, localID))
	for _, address := range readable(addresses).all() {
		keys = append(keys, term(ofRecipient, address))
	}
	return keys
}

const sqlLocalID = `SELECT local_id, message FROM request WHERE id = ?`

// rename runs a statement that gives a request a new local_id. It is found by either from then on.
func (w *writer) rename(query, localID string, request int64) error {
	var before string
	var message int64
	if _, err := w.get(sqlLocalID, []any{request}, &before, &message); err != nil {
		return err
	}
	if _, err := w.exec(query, localID, request); err != nil {
		return err
	}
	_, err := w.exec(sqlTerms[1], term(ofLocalID, before), message, term(ofLocalID, localID), message)
	return err
}

const (
	sqlNextTerms = `SELECT key, message FROM term WHERE (key, message) > (?, ?) ORDER BY key, message LIMIT ?`

	sqlPruneTerms = `
DELETE FROM term
 WHERE (key, message) > (?, ?) AND (key, message) <= (?, ?)
   AND NOT EXISTS (SELECT 1 FROM message WHERE id = term.message)`
)

// pruneTerms examines the next terms, and deletes those of deleted messages.
func (w *writer) pruneTerms(at *pruneState, limit int) (n int, err error) {
	fromKey, fromMessage := at.term, at.last
	if at.last == 0 {
		fromKey = math.MinInt64
	}
	err = w.each(sqlNextTerms, []any{fromKey, fromMessage, limit}, func(row scanner) error {
		n++
		return row.Scan(&at.term, &at.last)
	})
	if err != nil || n == 0 {
		return 0, err
	}
	_, err = w.exec(sqlPruneTerms, fromKey, fromMessage, at.term, at.last)
	return n, err
}
