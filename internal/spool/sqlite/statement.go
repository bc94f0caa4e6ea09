package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// prepared are the prepared statements of a connection, by their text. They are not interrupted by a
// caller's context: half an operation is of no use, and they are short.
type prepared struct {
	conn     *sql.Conn
	commands map[string]command
	queries  map[string]query
	args     []driver.NamedValue // of the command that runs
	ran      func(text string)   // of tests; nil
}

// command is a statement without rows. It is the driver's own, since database/sql takes longer for a short one
// than SQLite.
type command interface {
	driver.Stmt
	driver.StmtExecContext
}

// query is a statement that returns rows.
type query struct {
	*sql.Stmt
	reads bool // it changes nothing
}

func newPrepared(conn *sql.Conn) *prepared {
	return &prepared{conn: conn, commands: map[string]command{}, queries: map[string]query{}}
}

// close gives the statements back: a connection with open ones could not put the log away.
func (p *prepared) close() {
	for _, c := range p.commands {
		_ = c.Close() // the connection goes in any case
	}
	for _, q := range p.queries {
		_ = q.Close()
	}
}

// execute runs a statement without rows.
func (p *prepared) execute(text string, args []any) (driver.Result, error) {
	if p.ran != nil {
		p.ran(text)
	}
	c, err := p.prepareCommand(text)
	if err != nil {
		return nil, err
	}
	p.args = p.args[:0]
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		p.args = append(p.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	r, err := c.ExecContext(context.Background(), p.args)
	clear(p.args) // they refer to whole messages
	return r, err
}

func (p *prepared) prepareCommand(text string) (command, error) {
	if c, ok := p.commands[text]; ok {
		return c, nil
	}
	var c command
	err := p.conn.Raw(func(conn any) error {
		stmt, err := conn.(driver.ConnPrepareContext).PrepareContext(context.Background(), text)
		if err == nil {
			c = stmt.(command)
		}
		return err
	})
	if err == nil {
		p.commands[text] = c
	}
	return c, err
}

func (p *prepared) prepareQuery(text string) (query, error) {
	if p.ran != nil {
		p.ran(text)
	}
	if q, ok := p.queries[text]; ok {
		return q, nil
	}
	stmt, err := p.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return query{}, err
	}
	q := query{stmt, strings.HasPrefix(strings.TrimSpace(text), "SELECT")}
	p.queries[text] = q
	return q, nil
}

// refused returns err in terms of package spool, and notes that SQLite refused a statement if there is one: it
// may have ended the transaction.
func (w *writer) refused(err error) error {
	w.touched = w.touched || err != nil
	return classify(err)
}

// exec runs a statement without rows, and returns how many rows it changed.
func (w *writer) exec(text string, args ...any) (int64, error) {
	r, err := w.execute(text, args)
	if err != nil {
		return 0, w.refused(err)
	}
	n, err := r.RowsAffected()
	w.touched = w.touched || n > 0
	return n, err
}

// insert runs an INSERT of one row or none. It returns the row's id and the number of rows.
func (w *writer) insert(text string, args ...any) (id, n int64, err error) {
	r, err := w.execute(text, args)
	if err != nil {
		return 0, 0, w.refused(err)
	}
	n, err = r.RowsAffected()
	if n == 0 || err != nil {
		return 0, 0, err
	}
	w.touched = true
	id, err = r.LastInsertId()
	return id, n, err
}

// rowStatements insert 1 to 8 rows.
type rowStatements [8]string

// rowsOf returns statements that insert rows; row stands for one.
func rowsOf(insert, row, end string) (all rowStatements) {
	for i := range all {
		all[i] = insert + " " + strings.Repeat(row+", ", i) + row + " " + end
	}
	return all
}

// insertRows inserts rows of a number of columns, and returns how many were inserted.
func (w *writer) insertRows(queries *rowStatements, columns int, args []any) (total int, err error) {
	for some := range slices.Chunk(args, len(queries)*columns) {
		n, err := w.exec(queries[len(some)/columns-1], some...)
		if err != nil {
			return total, err
		}
		total += int(n)
	}
	return total, nil
}

// get scans the first row into dest and reports whether there was one.
func (w *writer) get(text string, args []any, dest ...any) (bool, error) {
	q, err := w.prepareQuery(text)
	if err != nil {
		return false, w.refused(err)
	}
	w.touched = w.touched || !q.reads
	err = q.QueryRowContext(context.Background(), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, w.refused(err)
}

// each calls scan for every row. It has read all rows before it returns, so
// that they can be changed then.
func (w *writer) each(text string, args []any, scan func(*sql.Rows) error) error {
	q, err := w.prepareQuery(text)
	if err != nil {
		return w.refused(err)
	}
	w.touched = w.touched || !q.reads
	rows, err := q.QueryContext(context.Background(), args...)
	if err != nil {
		return w.refused(err)
	}
	return w.refused(scanAll(rows, scan))
}
