package sqlite

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heyrelay/internal/spool"
	"heyrelay/internal/spool/spooltest"
)

var (
	seed = flag.Uint64("seed", 0, "repeats the random run that printed it; 0 for a new one")
	ops  = flag.Int("ops", 0, "operations of the random run; 0 for a few thousand")
)

func TestMain(m *testing.M) {
	if path := os.Getenv(victimPath); path != "" {
		serveUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

func TestSuite(t *testing.T) {
	spooltest.Run(t, func(t testing.TB, place string, now func() time.Time) spooltest.Spool {
		s, err := Open(t.Context(), filepath.Join(place, "spool.db"), Options{Now: now, termsAt: 1})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, func(t testing.TB, place string) spool.Operator {
		o, err := OpenOperator(filepath.Join(place, "spool.db"))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}, func(t testing.TB, from, to string, now time.Time) {
		err := Backup(t.Context(), filepath.Join(from, "spool.db"), filepath.Join(to, "spool.db"), now)
		if err != nil {
			t.Fatal(err)
		}
	}, spooltest.Random{Seed: *seed, Ops: *ops})
}
