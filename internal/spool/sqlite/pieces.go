package sqlite

import (
	"database/sql"
	"slices"
)

// pieceSize is the most octets of a message as received that one row has. It is more than
// spool.LetterHead.
const pieceSize = 256 << 10

const (
	sqlContent = `INSERT INTO content (message, html, subject_offset, text, raw) VALUES (?, ?, ?, ?, ?)`
	sqlPiece   = `INSERT INTO piece (message, n, raw) VALUES (?, ?, ?)`

	sqlPiecesSize = `SELECT COALESCE(sum(length(raw)), 0) FROM piece WHERE message = ?`
	sqlPieces     = `SELECT raw FROM piece WHERE message = ? ORDER BY n`
)

// insertContent stores what a message says, under its id.
func (w *writer) insertContent(id int64, m *incoming) error {
	first, b := min(len(m.Raw), pieceSize), &m.body
	_, err := w.exec(sqlContent, id, b.html, b.subjectOffset, b.text, b.raw)
	if err != nil {
		return err
	}
	n := 0
	for piece := range slices.Chunk(m.Raw[first:], pieceSize) {
		n++
		if _, err := w.exec(sqlPiece, id, n, piece); err != nil {
			return err
		}
	}
	return nil
}

// eachFunc calls scan for every row that a query finds.
type eachFunc func(query string, args []any, scan func(scanner) error) error

// wholeRaw returns a message as received, whose beginning is first.
func wholeRaw(each eachFunc, message int64, first []byte) ([]byte, error) {
	if len(first) < pieceSize {
		return first, nil
	}
	args := []any{message}
	var size int
	err := each(sqlPiecesSize, args, func(row scanner) error { return row.Scan(&size) })
	if err != nil {
		return nil, err
	}
	raw := append(make([]byte, 0, len(first)+size), first...)
	err = each(sqlPieces, args, func(row scanner) error {
		var piece sql.RawBytes
		err := row.Scan(&piece)
		raw = append(raw, piece...)
		return err
	})
	return raw, err
}
