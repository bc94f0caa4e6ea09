package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// queries is a connection, a pool, or a transaction of it.
type queries interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// eachRow calls scan for every row that a query finds.
func eachRow(ctx context.Context, q queries, query string, args []any, scan func(scanner) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return classify(err)
	}
	return scanAll(rows, scan)
}

// scanAll calls scan for every row, and closes rows.
func scanAll(rows *sql.Rows, scan func(scanner) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return classify(err)
		}
	}
	return classify(rows.Err())
}
