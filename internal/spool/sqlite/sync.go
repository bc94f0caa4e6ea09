package sqlite

import (
	"errors"
	"fmt"
	"os"
	"time"

	"heyrelay/internal/disk"
	"heyrelay/internal/spool"
)

// syncer has the disk keep what was committed: SQLite writes its log, and does not wait. One transaction
// is synced at a time. The next is performed meanwhile, and committed when the disk is free, so that the
// slower the disk, the more operations share it. Its fields but the first four belong to the writer's
// goroutine. The zero value is that of a writer whose commits wait for the disk themselves.
type syncer struct {
	sync    func() error // of the log
	handed  *handed
	durable func(operations int, took time.Duration) // called after each sync
	fatal   chan error                               // gets the error of a sync that failed

	begun  chan *batch // to run
	synced chan error  // from run: what came of it
	busy   bool        // one was begun, and is not synced yet
	failed error       // of a sync, after which nothing more is done
}

// openLog opens the log of the spool at path beside SQLite, which locks other files.
func openLog(path string, files identity) (*os.File, error) {
	log, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := files.check(); err != nil { // now it is surely the spool's
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// start starts a syncer of a log.
func (s *syncer) start(log *os.File, sync func(*os.File) error) {
	if sync == nil {
		sync = disk.SyncData
	}
	s.sync = func() error {
		err := sync(log)
		if err != nil {
			return fmt.Errorf("%w: the log was not synced: %w; the system may have dropped what it could not write: "+
				"nothing more is accepted until the spool is opened again", spool.ErrReadOnly, err)
		}
		return nil
	}
	s.begun = make(chan *batch)
	s.synced = make(chan error, 1)
	s.fatal = make(chan error, 1)
	go s.run()
}

// run syncs what begin begins, until end. Each operation has its result then. Once a sync has failed, all
// have its error.
func (s *syncer) run() {
	var err error
	for b := range s.begun {
		if err == nil {
			err = s.sync()
			if err != nil {
				s.fatal <- err
			}
		}
		if err == nil {
			s.handed.deliver()
		}
		s.synced <- err
		for _, o := range b.ops {
			if o.err == nil {
				o.err = err
			}
			o.done <- o.err
		}
		if err == nil {
			s.durable(len(b.ops), time.Since(b.began))
		}
	}
}

// begin has a batch synced that is committed.
func (s *syncer) begin(b *batch) {
	s.wait()
	s.busy = true
	s.begun <- b
}

// join waits until what is synced is durable, or until more comes from ops that fits into a batch, which
// takes it. It returns at once while nothing is synced.
func (s *syncer) join(b *batch, ops <-chan *op) {
	if !s.busy {
		return
	}
	if b.isFull() {
		ops = nil
	}
	select {
	case err := <-s.synced:
		s.ended(err)
	case o := <-ops:
		b.add(o)
	}
	b.gather(ops)
}

// wait waits until nothing is synced.
func (s *syncer) wait() {
	if s.busy {
		s.ended(<-s.synced)
	}
}

func (s *syncer) ended(err error) {
	s.busy = false
	if s.failed == nil {
		s.failed = err
	}
}

// end waits until nothing is synced, and ends run.
func (s *syncer) end() {
	s.wait()
	close(s.begun)
}
