package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
)

// connect returns a pool of connections to the file at path, and one of them, with pragmas in force.
func connect(ctx context.Context, path string, more url.Values, pragmas ...string) (*sql.DB, *sql.Conn, error) {
	db, err := sql.Open("sqlite", dsn(path, more))
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(classify(err), db.Close())
	}
	for _, p := range pragmas {
		if _, err := conn.ExecContext(ctx, "PRAGMA "+p); err != nil {
			return nil, nil, errors.Join(classify(err), conn.Close(), db.Close())
		}
	}
	return db, conn, nil
}

// connector opens connections to a spool that is open already, while its files are in place. A
// connection to another file of that name would take the log beside it for that file's own, and
// remove it.
type connector struct {
	driver driver.Driver
	dsn    string
	files  identity
}

// openBeside returns a pool of connections to a spool whose files are known. It opens none yet.
func openBeside(files identity, dsn string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector{db.Driver(), dsn, files}), db.Close()
}

// Connect implements driver.Connector. The error is spool.ErrReplaced if the files are not in place.
// They are looked at when the file is open and nothing was read: the log is opened by its name later.
func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	replaced := c.files.check()
	if replaced == nil {
		return conn, err
	}
	if err == nil {
		err = conn.Close()
	}
	return nil, errors.Join(replaced, err)
}

// Driver implements driver.Connector.
func (c connector) Driver() driver.Driver { return c.driver }
