package spooltest_test

import (
	"path/filepath"
	"testing"
	"time"

	"heyrelay/internal/spool"
	"heyrelay/internal/spool/spooltest"
	"heyrelay/internal/spool/sqlite"
)

// A store's own test opens it at the places that the suite names.
func Example() {
	_ = func(t *testing.T) { // TestSuite
		open := func(t testing.TB, place string, now func() time.Time) spooltest.Spool {
			s, err := sqlite.Open(t.Context(), filepath.Join(place, "spool.db"), sqlite.Options{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		operate := func(t testing.TB, place string) spool.Operator {
			o, err := sqlite.OpenOperator(filepath.Join(place, "spool.db"))
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		backup := func(t testing.TB, from, to string, now time.Time) {
			err := sqlite.Backup(t.Context(), filepath.Join(from, "spool.db"), filepath.Join(to, "spool.db"), now)
			if err != nil {
				t.Fatal(err)
			}
		}
		spooltest.Run(t, open, operate, backup, spooltest.Random{})
	}
	// Output:
}
