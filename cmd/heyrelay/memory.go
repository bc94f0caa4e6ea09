package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"heyrelay/internal/config"
)

// limitMemory has the garbage collector keep the process within limits.in_flight, and
// within the memory that its container may use. GOMEMLIMIT overrides both, and GOGC by
// how much the heap grows between collections.
func limitMemory(cfg *config.Config) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	container, err := memlimit.FromCgroup()
	if err != nil {
		container = 0 // no container, or none with a limit
	}
	limit := memoryLimit(int64(cfg.Limits.InFlight), container)
	debug.SetMemoryLimit(limit + ballast) // which counts, and takes nothing
}

// What the garbage collector lets the heap grow by, in percent, and what newBallast allocates, in bytes.
const (
	growth  = 60
	ballast = 14 << 20
)

// newBallast returns memory to be kept while the process serves. Nothing is ever written to it, so
// the system does not provide it; but the garbage collector counts it. Without it, a heap of 5 MB would
// be collected thirty times a second under a load. A large one need not double.
func newBallast() []byte { return make([]byte, ballast) }

// memoryLimit returns the soft limit of memory, in bytes. A message is in memory about
// three times: as received, as stored, and on its way to the disk. container is the hard
// limit, 0 for none: what is over the soft limit for a moment must fit, too.
func memoryLimit(inFlight int64, container uint64) int64 {
	limit := inFlight / 2 * 7
	if container > 0 && container < math.MaxInt64 {
		limit = min(limit, int64(container/10*9))
	}
	return limit
}

// keepSmall gives back the pages of the program a second after its start, and every minute, until ctx ends.
func keepSmall(ctx context.Context) {
	for wait := time.Second; ; wait = time.Minute {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			_ = releaseProgram() // if it fails, the process is larger
		}
	}
}
