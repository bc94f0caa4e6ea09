package smtpd

import (
	"math/bits"
	"sync"
)

// spares are buffers of messages that are over, by the power of two that is their size without
// fieldRoom. A message of 1 MB grows through six of them: made anew for each, they would be most of
// what the process allocates. The garbage collector takes those that are no longer asked for.
var spares [maxSpare + 1]sync.Pool

// The powers of two of spares: 64 KB to 4 MB. What is smaller costs little to make, and what is
// larger is too rare to keep.
const (
	minSpare = 16
	maxSpare = 22
)

// power returns which spares have room for n bytes.
func power(n int64) int { return bits.Len64(uint64(max(n, 1) - 1)) }

// newBuffer returns a buffer of fieldRoom, with a capacity of at least n bytes more. What is in it
// may be anything.
func newBuffer(n int64) []byte {
	p := power(n)
	if p < minSpare || p > maxSpare {
		return make([]byte, fieldRoom, fieldRoom+n)
	}
	if spare, ok := spares[p].Get().(*[]byte); ok {
		return *spare
	}
	return make([]byte, fieldRoom, fieldRoom+1<<p)
}

// recycle takes a buffer that newBuffer returned, which must not be used again. nil is none.
func recycle(buffer []byte) {
	p := power(int64(cap(buffer)) - fieldRoom)
	if p >= minSpare && p <= maxSpare && cap(buffer) == fieldRoom+1<<p {
		spares[p].Put(&buffer)
	}
}
