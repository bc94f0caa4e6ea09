package cleaning

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heyrelay/internal/blob"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// victimDir names, for the process that kills itself, its folder. victimLife says when: the number of a
// call, and whether before it has an effect or after.
const (
	victimDir  = "CLEANING_TEST_DIR"
	victimLife = "CLEANING_TEST_LIFE"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		if err := cleanUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// life counts the calls of a cleaner, and ends the process at one of them.
type life struct {
	left  int
	after bool
}

func (l *life) call(do func()) {
	l.left--
	if l.left == 0 && !l.after {
		kill()
	}
	do()
	if l.left == 0 {
		kill()
	}
}

func kill() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill() // SIGKILL
	}
	<-make(chan int) // the signal is on its way
}

// cleanUntilKilled does a round two days from now.
func cleanUntilKilled(dir string) error {
	l := &life{}
	if _, err := fmt.Sscan(os.Getenv(victimLife), &l.left, &l.after); err != nil {
		return err
	}
	o, err := sqlite.OpenOperator(spoolIn(dir))
	if err != nil {
		return err
	}
	blobs, err := openBlobs(dir)
	if err != nil {
		return err
	}
	later := func() time.Time { return time.Now().Add(2 * day) }
	c := &Cleaner{Spool: mortalSpool{o, l}, Blobs: mortalBlobs{blobs, l}, Now: later}
	_, err = c.Round(context.Background(), true)
	return errors.Join(err, o.Close())
}

type mortalSpool struct {
	spool.Cleaning
	life *life
}

func (m mortalSpool) PruneFiles(ctx context.Context, now time.Time, limit int) (n int, err error) {
	m.life.call(func() { n, err = m.Cleaning.PruneFiles(ctx, now, limit) })
	return n, err
}

func (m mortalSpool) Discard(ctx context.Context, keys ...string) (n int, err error) {
	m.life.call(func() { n, err = m.Cleaning.Discard(ctx, keys...) })
	return n, err
}

func (m mortalSpool) Deleted(ctx context.Context, keys ...string) (err error) {
	m.life.call(func() { err = m.Cleaning.Deleted(ctx, keys...) })
	return err
}

type mortalBlobs struct {
	blob.Store
	life *life
}

func (m mortalBlobs) Delete(ctx context.Context, key string) (err error) {
	m.life.call(func() { err = m.Store.Delete(ctx, key) })
	return err
}

// cleanKilled has a process do a round and kill itself at a call. It reports whether the round ended
// before that.
func (s *stage) cleanKilled(n int, after bool) (survived bool) {
	s.Helper()
	victim := exec.CommandContext(s.Context(), os.Args[0])
	victim.Env = append(os.Environ(), victimDir+"="+s.dir, victimLife+"="+fmt.Sprint(n, after))
	victim.Stderr = os.Stderr
	err := victim.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.Exited()) {
		s.Fatal(err)
	}
	return err == nil
}

// A process that is killed at whatever call leaves no link to nothing, and the next round no object.
func TestKilledAnywhere(t *testing.T) {
	for _, after := range []bool{false, true} {
		survived := false
		for n := 1; !survived; n++ {
			s := newStage(t)
			s.accept("ended", time.Now().Add(time.Hour))
			s.accept("shared", time.Now().Add(time.Hour))
			id := s.accept("shared", time.Now().Add(9*day))
			stray := s.put(s.owner, "stray")
			survived = s.cleanKilled(n, after)
			s.served(id, "shared")
			s.must(s.store.Check(t.Context()))
			if _, err := s.later(2*day).Round(t.Context(), false); err != nil {
				t.Errorf("after call %d: %v", n, err)
			}
			if err := s.blobs.Delete(t.Context(), stray); err != nil { // which another round would find
				t.Error(err)
			}
			s.served(id, "shared")
			s.holds(1)
			if got, err := s.store.Garbage(t.Context(), "", 9); len(got) > 0 || err != nil {
				t.Errorf("after call %d there is garbage: %v (%v)", n, got, err)
			}
			if survived && n < 7 {
				t.Errorf("a round has %d calls: the test proves too little", n-1)
			}
		}
	}
}
