// Package sqlite keeps the spool in one SQLite file.
//
// One goroutine writes, on one connection. It gathers the operations of all callers, and
// does them in one transaction; they return after its log has been synced: a hundred
// clients cost one sync. If one of the operations fails half-way, they are done one by
// one, so that it affects no other. The statements stand beside the verbs that use them, in
// accept.go, claim.go and finish.go. Reading goes through a pool of its own and never
// waits for the writer.
//
// A lock file beside the spool holds other processes off for as long as a
// [Store] is open. A [Reader] takes no lock, nor does an [Operator], whose short
// transactions alternate with the writer's.
package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite/vfs"
)

// Options tune a Store. The zero value is usable.
type Options struct {
	// Limits returns the limits in force; nil is none. It is called by many goroutines, and must
	// not block.
	Limits func() Limits
	// Free returns how many bytes are free; nil asks the spool's file system. It is
	// called at most once a second.
	Free func() (int64, error)
	// Now is the clock for that second and for what Accept claims, and says when a backup was
	// restored; nil is time.Now.
	Now func() time.Time
	// Warn is called with what Open has repaired or restored, in a sentence; nil for none.
	Warn func(string)
	// Coming is how many messages are on their way to Accept, those included that are there: transactions wait
	// for some of them, for a moment. Nil: it is unknown, and no transaction waits for them.
	Coming *atomic.Int64

	termsAt      int                  // messages; 0 is the default
	checkpointAt int                  // frames of the log; 0 is the default
	sync         func(*os.File) error // of the log; nil is disk.SyncData
}

// Limits are what can change while a Store is open.
type Limits struct {
	// MinFree is how many bytes Accept leaves free in the file system, 0 for
	// none. Claim and Finish go on below it: they make room.
	MinFree int64
	// MaxWait is how far ahead a due time can be. One further ahead was set
	// before the clock jumped back, and counts as due. 0 trusts every due time.
	MaxWait time.Duration
}

func (o Options) limits() func() Limits {
	if o.Limits == nil {
		return func() Limits { return Limits{} }
	}
	return o.Limits
}

func (o Options) warn(text string) {
	if o.Warn != nil {
		o.Warn(text)
	}
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// Store is the spool of a process that serves. It implements spool.Store and
// spool.Reader.
type Store struct {
	*Reader
	path     string
	limits   func() Limits
	headroom *headroom
	damage   atomic.Pointer[error] // the first that was found
	waiters  waiters
	handed   *handed

	checkpoints *checkpointer
	commits     spool.CommitCounter

	ops   chan *op
	looks chan *op
	stop  chan struct{} // closed by Close
	done  chan struct{} // closed when the writer has ended

	answering sync.RWMutex // read-locked by Accept, which looks at the files when all is durable, before they are closed

	writer     *writer             // of its goroutine, and of tests
	beforeLoad func(request int64) // of tests; nil

	lock  *flock.Flock
	db    *sql.DB
	conn  *sql.Conn // the writer's
	log   *os.File  // for the syncer
	close func() error
}

// sqlMoveLog waits for nobody, and has the disk keep the log and then the file.
const sqlMoveLog = "PRAGMA wal_checkpoint(PASSIVE)"

// Failed implements spool.Store.
func (s *Store) Failed() <-chan error { return s.writer.syncer.fatal }

// Commits implements spool.Store.
func (s *Store) Commits() spool.Commits { return s.commits.Commits() }

var (
	_ spool.Store  = (*Store)(nil)
	_ spool.Reader = (*Reader)(nil)
)

// pragmas make a commit durable and the writer alone. The first two count only
// before the first table.
var pragmas = []string{
	"page_size = 4096",
	"auto_vacuum = INCREMENTAL",
	"journal_mode = WAL",
	"synchronous = FULL",        // commits write the log, and the syncer has them wait for the disk
	"checkpoint_fullfsync = ON", // package vfs needs both
	"foreign_keys = ON",
	"wal_autocheckpoint = 0",        // the checkpointer does it
	"journal_size_limit = 67108864", // a log that grew behind a slow reader shrinks again
	"cache_size = -8000",            // KiB: 4 MB costs 8 % more CPU where many wait, 16 MB saves none
	"temp_store = MEMORY",           // no writable /tmp is needed
}

// Open opens the spool at path, which it creates where there is none, and holds
// it against other processes until Close. What was claimed when the last process
// ended is ready at once, the outcome of a send unknown. ctx is for the opening alone. The
// error is ErrInUse where another process holds the spool.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	if err := checkFolder(path); err != nil {
		return nil, err
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	s := &Store{
		path:     path,
		limits:   o.limits(),
		headroom: newHeadroom(path, o),
		ops:      make(chan *op),
		looks:    make(chan *op),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		lock:     lock,
	}
	if err := s.open(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open spool %s: %w", path, err), s.release())
	}
	s.close = sync.OnceValue(s.shut)
	return s, nil
}

func (s *Store) open(ctx context.Context, o Options) (err error) {
	if err := prepareFile(s.path, o.warn); err != nil {
		return err
	}
	if err := vfs.Register(); err != nil {
		return err
	}
	s.db, s.conn, err = connect(ctx, s.path, url.Values{"vfs": {vfs.Name}}, pragmas...)
	if err != nil {
		return err
	}
	if err := s.takeUp(ctx, o); err != nil {
		return err
	}
	w := newWriter(s.conn)
	s.writer = w
	w.now = o.now
	s.handed = w.handed
	if err := s.conn.QueryRowContext(ctx, sqlVersion).Scan(&w.version); err != nil {
		return classify(err)
	}
	w.termsAt = cmp.Or(o.termsAt, termsAt)
	w.lastTermed, err = readTermed(ctx, s.conn)
	if err != nil {
		return err
	}
	if err := s.openOthers(o); err != nil {
		return err
	}
	s.start(w, o)
	return nil
}

// takeUp brings the file up to date, and goes on from where the last process ended.
func (s *Store) takeUp(ctx context.Context, o Options) error {
	var mode string
	if err := s.conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return classify(err)
	}
	if mode != "wal" {
		return fmt.Errorf("journal mode is %q, but wal is required: use a local file system", mode)
	}
	// What the last process left in the log was perhaps not synced, though it can be read. A disk that refuses
	// this refuses the next commit, too.
	_, _ = s.conn.ExecContext(ctx, sqlMoveLog)
	if err := migrate(ctx, s.conn); err != nil {
		return err
	}
	restored, err := takeOver(ctx, s.conn, o.now())
	if err != nil {
		return err
	}
	if restored {
		o.warn("the spool was restored from a backup: pending requests may have been sent since; they " +
			"are sent again under their local_id, or searched for first")
	}
	return makeActiveReady(ctx, s.conn) // the lock proves that no process works on it
}

// openOthers opens the connections beside the writer's, while the files are surely those it opened.
func (s *Store) openOthers(o Options) (err error) {
	s.headroom.files, err = identify(s.path)
	if err != nil {
		return err
	}
	s.Reader, err = newReader(s.path, s.headroom.files)
	if err != nil {
		return err
	}
	s.headroom.reusable = s.reusable
	s.checkpoints, err = newCheckpointer(s.path, s.headroom.files, o.checkpointAt)
	if err != nil {
		return err
	}
	s.log, err = openLog(s.path, s.headroom.files)
	return err
}

// start starts what runs until shut.
func (s *Store) start(w *writer, o Options) {
	w.files = s.headroom.files
	if o.Coming != nil {
		w.coming = o.Coming
	}
	w.syncer.handed = w.handed
	w.syncer.durable = func(operations int, took time.Duration) {
		s.commits.Add(operations, took)
		s.checkpoints.committed()
	}
	go s.checkpoints.run(s.stop)
	w.syncer.start(s.log, o.sync)
	go func() {
		defer close(s.done)
		w.run(s.ops, s.looks, s.checkpoints.restart, s.stop)
	}()
}

// Close ends the writer after what it has begun, and releases the spool. Operations
// that have not begun return ErrClosed, as do later ones.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	close(s.stop)
	<-s.done
	<-s.checkpoints.done
	s.answering.Lock()
	defer s.answering.Unlock()
	if s.writer.syncer.failed == nil {
		return s.release()
	}
	keeper, err := s.keepLog()
	if err != nil {
		return errors.Join(err, s.release())
	}
	return errors.Join(s.release(), keeper.Close())
}

// keepLog opens a connection that is to be closed last. As it cannot write, the log is not moved: part of it may
// be lost. The next Open checks its sums, and takes what is whole.
func (s *Store) keepLog() (*sql.DB, error) {
	db, err := openBeside(s.headroom.files, dsn(s.path, url.Values{"mode": {"ro"}}))
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec("PRAGMA schema_version"); err != nil { // opens the log
		return nil, errors.Join(classify(err), db.Close())
	}
	return db, nil
}

// release gives back what Open took. The writer's connection goes last: it
// leaves one file behind, without a log.
func (s *Store) release() error {
	var err error
	if s.Reader != nil {
		err = s.Reader.Close()
	}
	if s.checkpoints != nil {
		err = errors.Join(err, s.checkpoints.db.Close())
	}
	if s.log != nil {
		err = errors.Join(err, s.log.Close())
	}
	if s.conn != nil {
		err = errors.Join(err, s.conn.Close())
	}
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	return errors.Join(err, s.lock.Close())
}

// dsn names the file to the driver. A database that does not exist is never
// created by it, and "…" is never taken for a string.
func dsn(path string, more url.Values) string {
	q := url.Values{"mode": {"rw"}, "_busy_timeout": {"10000"}, "_dqs": {"0"}, "_error_rc": {"1"}}
	for k, v := range more {
		q[k] = v
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}
