package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"heyrelay/internal/config"
)

func TestMemoryLimit(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		inFlight  int64
		container uint64
		want      int64
	}{
		{256 * mb, 0, 896 * mb},
		{256 * mb, 512 * mb, 512 * mb / 10 * 9},
		{256 * mb, 2048 * mb, 896 * mb},
		{256 * mb, 1 << 63, 896 * mb},
	} {
		if got := memoryLimit(c.inFlight, c.container); got != c.want {
			t.Errorf("in_flight %d in a container of %d: %d, want %d", c.inFlight, c.container, got, c.want)
		}
	}
}

// TestGrowth checks that the collector lets the heap grow by less than Go does by default, unless GOGC says by how
// much.
func TestGrowth(t *testing.T) {
	const usual = 100
	defer debug.SetGCPercent(debug.SetGCPercent(usual))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	t.Setenv("GOGC", "100")
	limitMemory(&config.Config{})
	if got := debug.SetGCPercent(usual); got != usual {
		t.Errorf("GOGC is overridden with %d", got)
	}
	t.Setenv("GOGC", "")
	limitMemory(&config.Config{})
	if got := debug.SetGCPercent(usual); got != growth || got >= usual {
		t.Errorf("the heap may grow by %d %%, want %d %%, and less than %d %%", got, growth, usual)
	}
}

// TestBallast checks that the ballast counts when the next collection is set: by default, at twice the heap.
func TestBallast(t *testing.T) {
	defer runtime.KeepAlive(newBallast())
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.NextGC < 2*ballast {
		t.Errorf("the next collection is at %d bytes", m.NextGC)
	}
}
