package vfs

import (
	"unsafe"

	"modernc.org/libc"
)

// modernc.org/sqlite is SQLite translated from C into Go. There, an address is a uintptr, memory is that
// of libc, and a function pointer is the address at which a Go function value of the same signature keeps
// its code, as in the functions below. Only functions of a package can be passed, which never move.

// Signatures of methods of sqlite3_vfs and sqlite3_io_methods. They return a result code.
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	transferFunc = func(tls *libc.TLS, file, buffer uintptr, n int32, offset int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
	sizeFunc     = func(tls *libc.TLS, file, size uintptr) int32
)

// at returns a struct in libc's memory.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// function returns the function at an address.
func function[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&address)) }

// address returns the address of a function.
func address[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// first returns the address of the first of some octets, which must stay in use meanwhile.
func first(octets []byte) uintptr { return uintptr(unsafe.Pointer(&octets[0])) }

// allocate returns the address of a copy of a struct in libc's memory. It is never given back.
func allocate[T any](tls *libc.TLS, value T) uintptr {
	memory := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(value)))
	if memory == 0 {
		panic("out of memory")
	}
	*at[T](memory) = value
	return memory
}
