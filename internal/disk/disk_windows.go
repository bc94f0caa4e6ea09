package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Free is what an ordinary user can still write below dir, in bytes.
func Free(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var available uint64
	if err := windows.GetDiskFreeSpaceEx(name, &available, nil, nil); err != nil {
		return 0, err
	}
	return int64(available), nil
}

// SyncFolder does nothing: this system has no way to sync a directory.
func SyncFolder(string) error { return nil }

// IsFull reports whether an error means that a disk or a quota has no room.
func IsFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

// IsReadOnly reports whether an error means that nothing can be written: by this user, or on this disk.
func IsReadOnly(err error) bool {
	return errors.Is(err, windows.ERROR_WRITE_PROTECT) || errors.Is(err, os.ErrPermission)
}
