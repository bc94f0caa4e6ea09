package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// prepared are the prepared statements of a connection, by their text. They run on the driver itself, since
// database/sql takes longer for a short statement than SQLite. They are not interrupted by a caller's context:
// half an operation is of no use, and they are short.
type prepared struct {
	conn       *sql.Conn
	statements map[string]statement
	args       []driver.NamedValue // of the statement that runs
	ran        func(text string)   // of tests; nil
}

// statement is a prepared one.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func newPrepared(conn *sql.Conn) *prepared {
	return &prepared{conn: conn, statements: map[string]statement{}}
}

// close gives the statements back: a connection with open ones could not put the log away.
func (p *prepared) close() {
	for _, s := range p.statements {
		_ = s.Close() // the connection goes in any case
	}
}

// prepare returns a statement, and the arguments as the driver takes them until the next statement.
func (p *prepared) prepare(text string, args []any) (statement, []driver.NamedValue, error) {
	if p.ran != nil {
		p.ran(text)
	}
	p.args = p.args[:0]
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		p.args = append(p.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	if s, ok := p.statements[text]; ok {
		return s, p.args, nil
	}
	var s statement
	err := p.conn.Raw(func(conn any) error {
		stmt, err := conn.(driver.ConnPrepareContext).PrepareContext(context.Background(), text)
		if err == nil {
			s = stmt.(statement)
		}
		return err
	})
	if err == nil {
		p.statements[text] = s
	}
	return s, p.args, err
}

// execute runs a statement without rows.
func (p *prepared) execute(text string, args []any) (driver.Result, error) {
	s, values, err := p.prepare(text, args)
	if err != nil {
		return nil, err
	}
	r, err := s.ExecContext(context.Background(), values)
	clear(values) // they refer to whole messages
	return r, err
}

// query calls scan for each row that a statement returns, until scan returns an error, or io.EOF to see no more.
func (p *prepared) query(text string, args []any, scan func(scanner) error) (err error) {
	s, values, err := p.prepare(text, args)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), values)
	clear(values)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	r := make(row, len(rows.Columns()))
	for err == nil {
		err = rows.Next(r)
		if err == nil {
			err = scan(r)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// scanner is the present row of a query.
type scanner interface {
	// Scan stores its columns where dest points to, as sql.Rows.Scan does.
	Scan(dest ...any) error
}

// row is one as the driver returns it. Its octets belong to the caller.
type row []driver.Value

// Scan implements scanner.
func (r row) Scan(dest ...any) error {
	if len(dest) != len(r) {
		return fmt.Errorf("%d columns for %d destinations", len(r), len(dest))
	}
	for i := range r {
		if err := assign(dest[i], r[i]); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

// assign stores a column where dest points to.
func assign(dest any, value driver.Value) error {
	switch to := dest.(type) {
	case *any:
		*to = value
		return nil
	case sql.Scanner:
		return to.Scan(value)
	case *string:
		return assignAs(to, value)
	case *int64:
		return assignAs(to, value)
	case *[]byte:
		return assignOctets(to, value)
	case *sql.RawBytes:
		return assignOctets((*[]byte)(to), value)
	case *bool:
		n, ok := value.(int64)
		*to = n != 0
		return mismatch(ok, dest, value)
	}
	n, ok := value.(int64)
	to := reflect.ValueOf(dest).Elem()
	switch {
	case ok && to.CanInt() && !to.OverflowInt(n):
		to.SetInt(n)
	case ok && to.CanUint() && n >= 0 && !to.OverflowUint(uint64(n)):
		to.SetUint(uint64(n))
	default:
		return mismatch(false, dest, value)
	}
	return nil
}

// assignAs stores a column that has the type of its destination.
func assignAs[T any](to *T, value driver.Value) error {
	v, ok := value.(T)
	*to = v
	return mismatch(ok, to, value)
}

// assignOctets stores octets, or nil for NULL.
func assignOctets(to *[]byte, value driver.Value) error {
	octets, ok := value.([]byte)
	*to = octets
	return mismatch(ok || value == nil, to, value)
}

func mismatch(ok bool, dest any, value driver.Value) error {
	if ok {
		return nil
	}
	return fmt.Errorf("a %T has no room for a %T", dest, value)
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
func (w *writer) get(text string, args []any, dest ...any) (found bool, err error) {
	err = w.each(text, args, func(r scanner) error {
		found = true
		return cmp.Or(r.Scan(dest...), io.EOF)
	})
	return found && err == nil, err
}

// each calls scan for every row. It has read all rows before it returns, so that they can be changed then.
func (w *writer) each(text string, args []any, scan func(scanner) error) error {
	w.touched = w.touched || !strings.HasPrefix(strings.TrimSpace(text), "SELECT")
	return w.refused(w.query(text, args, scan))
}
