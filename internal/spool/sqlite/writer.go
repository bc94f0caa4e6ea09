package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"heyrelay/internal/spool"
)

// What one transaction does at most, so that no operation waits long for others.
const (
	batchOps   = 1000
	batchBytes = 4 << 20
)

// op is an operation. do runs on the writer's goroutine, may be rolled back, and must
// return at its first error.
type op struct {
	ctx  context.Context
	size int // bytes to be written, roughly
	do   func(*writer) error
	err  error
	done chan error // receives one result, once it is durable
}

// run has the writer do f and returns what f returned, once it is durable. An
// operation that has not begun is given up when ctx ends; one that has begun is
// waited for, since it may have been committed.
func run[T any](ctx context.Context, s *Store, size int, f func(*writer) (T, error)) (T, error) {
	var result, none T
	o := &op{ctx: ctx, size: size, done: make(chan error, 1)}
	o.do = func(w *writer) (err error) {
		result, err = f(w)
		return err
	}
	select {
	case <-s.stop: // first: select chooses at random
		return none, spool.ErrClosed
	default:
	}
	select {
	case s.ops <- o:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-s.stop:
		return none, spool.ErrClosed
	}
	if err := <-o.done; err != nil {
		if errors.Is(err, spool.ErrCorrupt) {
			s.damage.CompareAndSwap(nil, &err)
		}
		return none, err
	}
	return result, nil
}

// writer is the one writer. Its fields belong to its goroutine.
type writer struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // by their text

	committed func(operations int, took time.Duration) // called after each commit; nil for nobody

	version int64 // of the file, as ChangedExternally saw it last
	pruning pruneState

	seq    int64  // the last one given in this transaction, 0 before the first
	moves  []move // what the ledger owes
	served map[stream]spool.Destination
}

func newWriter(conn *sql.Conn) *writer {
	return &writer{conn: conn, stmts: map[string]*sql.Stmt{}, served: map[stream]spool.Destination{}}
}

// sqlRestartLog waits for readers for at most a moment: they hold no snapshot for long.
const sqlRestartLog = "PRAGMA wal_checkpoint(RESTART)"

// run does operations until stop is closed. A receive from restart has it move the rest
// of the log, so that the next commit begins the log anew.
func (w *writer) run(ops <-chan *op, restart, stop <-chan struct{}) {
	defer w.close()
	for {
		select {
		case <-stop:
			return
		case first := <-ops:
			w.commit(gather(first, ops))
		case <-restart:
			_, _ = w.exec(sqlRestartLog) // what fails is asked for again
		}
	}
}

// close gives the statements back: a connection with open ones could not put the
// log away.
func (w *writer) close() {
	for _, s := range w.stmts {
		_ = s.Close() // the connection goes in any case
	}
}

// gather adds to first the operations that are there already.
func gather(first *op, ops <-chan *op) []*op {
	batch, size := []*op{first}, first.size
	for len(batch) < batchOps && size < batchBytes {
		select {
		case o := <-ops:
			batch, size = append(batch, o), size+o.size
		default:
			return batch
		}
	}
	return batch
}

// commit does a batch and returns all results, once it is durable.
func (w *writer) commit(batch []*op) {
	began := time.Now()
	err := w.transact(batch)
	took := time.Since(began)
	for _, o := range batch {
		if err != nil {
			o.err = err
		}
		o.done <- o.err
	}
	if w.committed != nil {
		w.committed(len(batch), took)
	}
}

// transact does a batch in one transaction. Its error applies to all of them.
func (w *writer) transact(batch []*op) (err error) {
	w.seq, w.moves = 0, w.moves[:0]
	if _, err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// SQLite rolls back by itself after some errors; then there is nothing left to do.
			_, _ = w.exec("ROLLBACK")
		}
	}()
	for _, o := range batch {
		o.err = o.ctx.Err()
		if o.err != nil {
			continue
		}
		if err := w.try(o); err != nil {
			return err
		}
	}
	if err := w.saveLedger(); err != nil {
		return err
	}
	_, err = w.exec("COMMIT")
	return err
}

// alone does one thing in a transaction of its own.
func (w *writer) alone(ctx context.Context, do func(*writer) error) error {
	one := &op{ctx: ctx, do: do}
	if err := w.transact([]*op{one}); err != nil {
		return err
	}
	return one.err
}

// try does one operation in a savepoint. What went wrong with the operation
// stands in o.err; an error means that the transaction is lost.
func (w *writer) try(o *op) error {
	if _, err := w.exec("SAVEPOINT op"); err != nil {
		return err
	}
	moves := len(w.moves)
	o.err = o.safely(w)
	if o.err != nil {
		w.moves = w.moves[:moves]
		if _, err := w.exec("ROLLBACK TO op"); err != nil {
			return errors.Join(o.err, err)
		}
	}
	_, err := w.exec("RELEASE op")
	return err
}

// safely does an operation; a panic over it is its own error.
func (o *op) safely(w *writer) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v\n%s", spool.ErrPanic, v, debug.Stack())
		}
	}()
	return o.do(w)
}

// The writer's statements are not interrupted by a caller's context: half an
// operation is of no use, and they are short.

func (w *writer) prepare(query string) (*sql.Stmt, error) {
	if s := w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, classify(err)
	}
	w.stmts[query] = s
	return s, nil
}

// exec runs a statement and returns how many rows it changed.
func (w *writer) exec(query string, args ...any) (int64, error) {
	s, err := w.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, classify(err)
	}
	return r.RowsAffected()
}

// insert runs an INSERT and returns the new row's id.
func (w *writer) insert(query string, args ...any) (int64, error) {
	s, err := w.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, classify(err)
	}
	return r.LastInsertId()
}

// get scans the first row into dest and reports whether there was one.
func (w *writer) get(query string, args []any, dest ...any) (bool, error) {
	s, err := w.prepare(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(context.Background(), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, classify(err)
}

// each calls scan for every row. It has read all rows before it returns, so
// that they can be changed then.
func (w *writer) each(query string, args []any, scan func(*sql.Rows) error) error {
	s, err := w.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), args...)
	if err != nil {
		return classify(err)
	}
	return scanAll(rows, scan)
}
