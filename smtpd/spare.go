package smtpd

import (
	"math/bits"
	"sync"
)

// spares are buffers of messages that are over, by their size without fieldRoom: from 4 KB to 4 MB,
// four sizes to each doubling. Made anew for each message, buffers would be much of what the process
// allocates. What is smaller costs little to make, and what is larger is too rare to keep. Those that
// a message has outgrown are not kept: large messages would leave many. The garbage collector takes
// those that are no longer asked for.
var spares [4 * (maxPower - minPower)]sync.Pool

const (
	minPower = 12
	maxPower = 22
	maxSpare = 1 << maxPower
)

// spareSize returns the smallest size of spares that is at least n bytes, and its place among them.
func spareSize(n int64) (size int64, place int, ok bool) {
	if n <= 1<<minPower || n > maxSpare {
		return n, 0, false
	}
	power := bits.Len64(uint64(n-1)) - 1
	step := int64(1) << (power - 2)
	steps := (n + step - 1) / step // 5 to 8 of them
	return steps * step, 4*(power-minPower) + int(steps) - 5, true
}

// newBuffer returns a buffer of fieldRoom, with a capacity of at least n bytes more. What is in it
// may be anything.
func newBuffer(n int64) []byte {
	size, place, ok := spareSize(n)
	if !ok {
		return make([]byte, fieldRoom, fieldRoom+n)
	}
	if spare, ok := spares[place].Get().(*[]byte); ok {
		return *spare
	}
	return make([]byte, fieldRoom, fieldRoom+size)
}

// recycle takes a buffer that newBuffer returned, which must not be used again. nil is none.
func recycle(buffer []byte) {
	n := int64(cap(buffer)) - fieldRoom
	if size, place, ok := spareSize(n); ok && size == n {
		spares[place].Put(&buffer)
	}
}
