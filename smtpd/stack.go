package smtpd

import "runtime"

// handlerStack is the stack that a Handler is expected to need, in bytes. More is only slower.
const handlerStack = 10 << 10

// growStack makes the stack of the goroutine large enough for a Handler. A stack that grows is copied
// frame by frame. Here are few frames, and within a Handler there are many, each time that a connection
// is new or that the garbage collector has shrunk the stack.
//
//go:noinline
func growStack() {
	var frame [handlerStack]byte
	runtime.KeepAlive(&frame)
}
