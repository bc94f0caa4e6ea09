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

//go:embed attachments.sql
var attachmentsSchema string

//go:embed lean.sql
var leanSchema string

//go:embed pieces.sql
var piecesSchema string

//go:embed terms.sql
var termsSchema string

//go:embed packed.sql
var packedSchema string

//go:embed places.sql
var placesSchema string

//go:embed leases.sql
var leasesSchema string

//go:embed moves.sql
var movesSchema string

// firstVersion is the version of the schema that the first migration, schema.sql,
// makes out of an empty file. Spools of earlier versions are refused.
const firstVersion = 8

// migrations lead from one version of the schema to the next, from firstVersion
// on. None of them changes any more: a change of the schema is a further one.
func migrations() []string {
	return []string{
		schema, attachmentsSchema, leanSchema, piecesSchema, placesSchema, packedSchema, termsSchema, leasesSchema,
		movesSchema,
	}
}

// currentVersion is the version of the schema that this program reads and writes.
func currentVersion() int { return firstVersion + len(migrations()) - 1 }

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
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // SQLite may have rolled back, as of a full disk
			err = classify(err)
		}
	}()
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	done := max(0, version-firstVersion+1)
	for i := done; i < len(steps); i++ {
		if _, err := conn.ExecContext(ctx, steps[i]); err != nil {
			return fmt.Errorf("migrate the spool to version %d: %w", firstVersion+i, err)
		}
	}
	if done < len(steps) {
		newest := firstVersion + len(steps) - 1
		mark := fmt.Sprintf("PRAGMA user_version = %d", newest)
		if version == 0 {
			mark += fmt.Sprintf("; PRAGMA application_id = %d", applicationID)
		}
		if _, err := conn.ExecContext(ctx, mark); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	if done < len(steps) {
		_, _ = conn.ExecContext(ctx, "PRAGMA incremental_vacuum") // what the steps left; else Prune shrinks the file
	}
	return nil
}

// schemaVersion is 0 for an empty file. The database of another program is
// refused, as is one of a newer heyrelay or of one before the first release.
func schemaVersion(ctx context.Context, q queries) (int, error) {
	var id, version, tables int
	err := q.QueryRowContext(ctx, `
SELECT (SELECT application_id FROM pragma_application_id),
       (SELECT user_version FROM pragma_user_version),
       (SELECT count(*) FROM sqlite_schema)`).Scan(&id, &version, &tables)
	switch known := currentVersion(); {
	case err != nil:
		return 0, classify(err)
	case id != applicationID && id != backupID && tables > 0:
		return 0, errors.New("it is an SQLite database of another program: name another file")
	case version > known:
		return 0, fmt.Errorf(
			"it was written by a newer heyrelay (schema version %d; this one supports %d): use the newer one",
			version, known)
	case version > 0 && version < firstVersion:
		return 0, fmt.Errorf("it was written by a heyrelay from before the first release (schema version %d; this one "+
			"supports %d): name another file, and let the old heyrelay send what is queued in this one",
			version, known)
	}
	return version, nil
}
