package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"sync"
	"sync/atomic"
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

	canWait func(*writer) bool // for others, to share their transaction; nil: it cannot
}

// run has the writer do f and returns what f returned, once it is durable. An
// operation that has not begun is given up when ctx ends; one that has begun is
// waited for, since it may have been committed.
func run[T any](ctx context.Context, s *Store, size int, f func(*writer) (T, error)) (T, error) {
	return ask(s, s.ops, &op{ctx: ctx, size: size}, f)
}

// look has the writer do f, which changes nothing, between two transactions, and returns what f returned. It
// costs no commit.
func look[T any](ctx context.Context, s *Store, f func(*writer) (T, error)) (T, error) {
	return ask(s, s.looks, &op{ctx: ctx}, f)
}

func ask[T any](s *Store, to chan<- *op, o *op, f func(*writer) (T, error)) (T, error) {
	var result, none T
	o.done = make(chan error, 1)
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
	case to <- o:
	case <-o.ctx.Done():
		return none, o.ctx.Err()
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
	*prepared

	now    func() time.Time
	files  identity // of the spool
	handed *handed
	stand  map[string]offer // by team, what the last transaction left
	coming *atomic.Int64    // messages on their way

	syncer syncer

	termsAt    int    // see termed
	lastTermed termed // what the last transaction left

	version int64 // of the file, as ChangedExternally saw it last
	notice  int64 // number of the last notice; 0: not read yet
	pruning pruneState
	served  map[stream]spool.Destination
	leases  leases

	transaction
}

// transaction is what the operations of one transaction have in common.
type transaction struct {
	teams map[string]*gate // by team, see writer.gate
	moves []move           // what the ledger owes
	ended []any            // attempts that the present operation has ended: the columns of their rows
	after []func()         // to be done once it is committed
	check func() error     // of the spool's files, done once, by the first that asks when it is durable

	offers map[string]offer // by team: what is left of them
	tasks  []*spool.Task    // that Accept claimed
	more   bool             // something else is ready

	termed termed

	touched bool // the present operation has changed something, or SQLite refused a statement of it
}

func newWriter(conn *sql.Conn) *writer {
	return &writer{
		prepared: newPrepared(conn),
		served:   map[stream]spool.Destination{},
		leases:   leases{ends: map[int64]int64{}},
		now:      time.Now,
		handed:   &handed{},
		coming:   new(atomic.Int64),
	}
}

// sqlRestartLog waits for readers for at most a moment: they hold no snapshot for long.
const sqlRestartLog = "PRAGMA wal_checkpoint(RESTART)"

// run does operations, and between their transactions looks, until stop is closed. A receive from restart has
// it move the rest of the log, so that the next commit begins the log anew.
func (w *writer) run(ops, looks <-chan *op, restart, stop <-chan struct{}) {
	defer w.close()
	defer w.syncer.end()
	for {
		select {
		case <-stop:
			return
		case first := <-ops:
			w.serve(first, ops)
		case o := <-looks:
			o.done <- o.safely(w)
		case <-restart:
			w.restartLog()
		}
	}
}

// restartLog moves the log. After a sync that failed it stays: what it had may be lost, and what is read in its
// place would damage the file.
func (w *writer) restartLog() {
	w.syncer.wait()
	if w.syncer.failed == nil {
		_, _ = w.exec(sqlRestartLog) // what fails is asked for again
	}
}

// batch are the operations of one transaction.
type batch struct {
	ops   []*op
	size  int // bytes to be written, roughly
	began time.Time
}

func (b *batch) add(o *op) {
	b.ops = append(b.ops, o)
	b.size += o.size
}

func (b *batch) isFull() bool { return len(b.ops) >= batchOps || b.size >= batchBytes }

// gather adds the operations that are there already, as far as they fit.
func (b *batch) gather(ops <-chan *op) {
	for !b.isFull() {
		select {
		case o := <-ops:
			b.add(o)
		default:
			return
		}
	}
}

// serve does an operation and those that come with it in one transaction, and has it synced. If one of
// them spoils it, they are done one by one.
func (w *writer) serve(first *op, ops <-chan *op) {
	b := &batch{began: time.Now()}
	b.add(first)
	b.gather(ops)
	w.await(b, ops)
	err := w.transact(b, ops)
	if errors.Is(err, errSpoilt) && len(b.ops) > 1 {
		for _, o := range b.ops {
			_ = w.transact(&batch{ops: []*op{o}}, nil) // o has its result
		}
	}
	w.syncer.begin(b)
}

// patience is how long a transaction waits for company.
const patience = 2 * time.Millisecond

// mostCompany is how many operations a transaction waits for at most: what it costs is shared well by then.
const mostCompany = 24

// await has a transaction wait for others that come soon and share it, as most of its cost is the same for one
// operation and for ten. Of the messages on their way it waits for half: the others come while it is synced.
// An operation that can wait is done with the next one: the outcome of one message is recorded with the
// acceptance of the next.
func (w *writer) await(b *batch, ops <-chan *op) {
	enough := min(int(w.coming.Load())/2, mostCompany)
	if first := b.ops[0]; first.canWait != nil && first.canWait(w) {
		enough = max(enough, 2)
	}
	if len(b.ops) >= enough {
		return
	}
	soon := time.NewTimer(patience)
	defer soon.Stop()
	for len(b.ops) < enough && !b.isFull() {
		select {
		case o := <-ops:
			b.add(o)
			b.gather(ops)
		case <-soon.C:
			return
		}
	}
}

// errSpoilt says that an operation failed after it had changed something.
var errSpoilt = errors.New("an operation failed half-way")

// transact does a batch in one transaction, with what else comes from ops until the transaction before is
// durable: then this one can be synced. If an operation spoils it, nothing was done, and the result is of
// no use, unless there was but the one. Any other error applies to all of the batch.
func (w *writer) transact(b *batch, ops <-chan *op) error {
	err := w.perform(b, ops)
	if err == nil {
		err = w.end()
	}
	if err == nil {
		for _, do := range w.after {
			do()
		}
		w.leases.keep()
		w.stand = w.offers
		w.lastTermed = w.termed
		w.handed.announce(w.tasks, w.more)
		return nil
	}
	// SQLite rolls back by itself after some errors; then there is nothing left to do.
	_, _ = w.exec("ROLLBACK")
	w.leases.restore()
	for _, o := range b.ops {
		if !errors.Is(err, errSpoilt) {
			o.err = err
		}
	}
	return err
}

// perform begins a transaction, and does the operations of a batch in it.
func (w *writer) perform(b *batch, ops <-chan *op) error {
	w.transaction = transaction{
		moves:  w.moves[:0],
		offers: maps.Clone(w.stand),
		termed: w.lastTermed,
		check:  sync.OnceValue(w.files.check),
	}
	if _, err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for done := 0; done < len(b.ops); {
		for _, o := range b.ops[done:] {
			if err := w.do(o); err != nil {
				return err
			}
		}
		done = len(b.ops)
		w.syncer.join(b, ops)
	}
	return w.syncer.failed
}

// do does an operation. The error is errSpoilt if it failed half-way; any other is its own.
func (w *writer) do(o *op) error {
	o.err = o.ctx.Err()
	if o.err != nil {
		return nil
	}
	w.touched = false
	o.err = o.safely(w)
	if o.err != nil && w.touched {
		return errSpoilt
	}
	return nil
}

// end commits.
func (w *writer) end() error {
	if err := w.saveLedger(); err != nil {
		return err
	}
	if err := w.saveTeams(); err != nil {
		return err
	}
	if err := w.saveTerms(); err != nil {
		return err
	}
	_, err := w.exec("COMMIT")
	return err
}

// alone does one thing in a transaction of its own.
func (w *writer) alone(ctx context.Context, do func(*writer) error) error {
	one := &op{ctx: ctx, do: do}
	_ = w.transact(&batch{ops: []*op{one}}, nil) // one has its result
	return one.err
}

// safely does an operation; a panic over it is its own error.
func (o *op) safely(w *writer) (err error) {
	defer recoverAs(&err)
	return o.do(w)
}

// recoverAs, deferred, makes a panic an error.
func recoverAs(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v\n%s", spool.ErrPanic, v, debug.Stack())
	}
}
