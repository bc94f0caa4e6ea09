package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"math"
	"strings"

	"heyrelay/internal/spool"
)

var sqlTerms = rowsOf("INSERT INTO term (key, message) VALUES", "(?, ?)", "ON CONFLICT DO NOTHING")

const sqlForgetTerm = `DELETE FROM term WHERE key = ?`

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

// termsOf returns the keys of what a message can be found by.
func termsOf(m *spool.Message) (keys []any) {
	for _, id := range m.MessageIDs {
		keys = append(keys, term(ofMessageID, id))
	}
	for i := range m.Requests {
		r := &m.Requests[i]
		keys = append(keys, term(ofLocalID, r.LocalID))
		for _, address := range (recipients{r.To, r.Cc}).all() {
			keys = append(keys, term(ofRecipient, address))
		}
	}
	return keys
}

// insertTerms records what a message can be found by.
func (w *writer) insertTerms(message int64, keys []any) error {
	args := make([]any, 0, 2*len(keys))
	for _, key := range keys {
		args = append(args, key, message)
	}
	_, err := w.insertRows(&sqlTerms, 2, args)
	return err
}

const sqlRenamed = `INSERT INTO term (key, message) SELECT ?, message FROM request WHERE id = ? ON CONFLICT DO NOTHING`

// rename runs a statement that gives a request a new local_id, by which it is found from then on.
func (w *writer) rename(query, localID string, request int64) error {
	if _, err := w.exec(query, localID, request); err != nil {
		return err
	}
	_, err := w.exec(sqlRenamed, term(ofLocalID, localID), request)
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
	err = w.each(sqlNextTerms, []any{fromKey, fromMessage, limit}, func(rows *sql.Rows) error {
		n++
		return rows.Scan(&at.term, &at.last)
	})
	if err != nil || n == 0 {
		return 0, err
	}
	_, err = w.exec(sqlPruneTerms, fromKey, fromMessage, at.term, at.last)
	return n, err
}
