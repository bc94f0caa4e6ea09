package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
)

//go:embed schema.sql
var schema string

// migrations lead from one version of the schema to the next: the first makes
// version 1 out of an empty file. One that was released is never changed.
func migrations() []string { return []string{schema} }

// applicationID marks a SQLite file as a spool of heyrelay: "heyR".
const applicationID = 0x68657952

// migrate brings the schema up to date.
func migrate(ctx context.Context, conn *sql.Conn) error {
	return migrateSteps(ctx, conn, migrations())
}

// migrateSteps does those of steps that the file lacks, all or none.
func migrateSteps(ctx context.Context, conn *sql.Conn, steps []string) (err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return classify(err)
	}
	defer func() {
		if err != nil {
			_, undo := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			err = errors.Join(classify(err), undo)
		}
	}()
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	for v := version; v < len(steps); v++ {
		if _, err := conn.ExecContext(ctx, steps[v]); err != nil {
			return fmt.Errorf("migrate the spool to version %d: %w", v+1, err)
		}
	}
	if version < len(steps) {
		mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(steps))
		if _, err := conn.ExecContext(ctx, mark); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}

// querier is a connection or a pool.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// schemaVersion is 0 for an empty file. Somebody else's database is refused, and
// one that a newer heyrelay wrote.
func schemaVersion(ctx context.Context, q querier) (int, error) {
	var id, version, tables int
	err := q.QueryRowContext(ctx, `
SELECT (SELECT application_id FROM pragma_application_id),
       (SELECT user_version FROM pragma_user_version),
       (SELECT count(*) FROM sqlite_schema)`).Scan(&id, &version, &tables)
	switch known := len(migrations()); {
	case err != nil:
		return 0, classify(err)
	case id != applicationID && tables > 0:
		return 0, errors.New("it is a SQLite database of another program: name another file")
	case version > known:
		return 0, fmt.Errorf("it was written by a newer heyrelay (version %d of the schema, this one knows %d): use that one", version, known)
	}
	return version, nil
}
