package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// SyncData makes the content of a file durable, and of its metadata what is needed to read it.
func SyncData(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.EINTR
		for failed == unix.EINTR {
			failed = unix.Fdatasync(int(fd))
		}
	})
	return errors.Join(err, os.NewSyscallError("fdatasync", failed))
}
