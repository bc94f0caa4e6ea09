package fuzztest

import (
	"runtime"
	"testing"
	"time"
)

const (
	// growth is how much more twice the input may cost.
	growth = 2.5

	// freeMemory, in octets, and freeTime are what four times the input may cost anyhow: buffers
	// grow in steps, and the collector of garbage takes its share.
	freeMemory = 1 << 20
	freeTime   = 50 * time.Millisecond
)

// Linear runs f on inputs of n and 4n octets, and checks that what it allocates and the processor
// time that it takes grow at most linearly.
func Linear(t *testing.T, n int, input func(n int) []byte, f func([]byte)) {
	t.Helper()
	once, fourfold := input(n), input(4*n)
	f(once) // what is set up once does not count
	few, short := cost(f, once)
	many, long := cost(f, fourfold)
	if many > growth*growth*few+freeMemory {
		t.Errorf("allocated %.0f KiB for %d octets, %.0f KiB for %d", few/1024, len(once), many/1024, len(fourfold))
	}
	if !isSlower(short, long) {
		return
	}
	short, long = fastest(f, once), fastest(f, fourfold)
	if isSlower(short, long) {
		t.Errorf("took %v for %d octets, %v for %d", short, len(once), long, len(fourfold))
	}
}

// isSlower reports whether the time for four times an input is more than linear.
func isSlower(short, long time.Duration) bool {
	return long > freeTime && float64(long) > growth*growth*float64(short)
}

// NoDearer runs f on two inputs of about the same size, and checks that it takes about as
// much processor time for one as for the other.
func NoDearer(t *testing.T, input, than []byte, f func([]byte)) {
	t.Helper()
	const factor = 10 // the fault to be found is worse, and the measurement rough
	f(than)
	limit := freeTime + factor*fastest(f, than)
	_, took := cost(f, input)
	if took > limit {
		took = fastest(f, input)
	}
	if took > limit {
		t.Errorf("took %v, want at most %v", took, limit)
	}
}

// cost returns what f allocates, in octets, and the processor time that it takes.
func cost(f func([]byte), input []byte) (allocated float64, took time.Duration) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := processorTime()
	f(input)
	took = processorTime() - began
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc), took
}

// fastest returns the shortest of several times: others may slow down the processor.
func fastest(f func([]byte), input []byte) time.Duration {
	_, best := cost(f, input)
	for range 2 {
		_, took := cost(f, input)
		best = min(best, took)
	}
	return best
}
