// Package vfs is a file system for SQLite (https://sqlite.org/vfs.html): the system's own, except that
// what a transaction adds to a write-ahead log is written at once, when it is committed. SQLite itself
// writes each page of a log in two calls of the system. For a short message they take longer than all
// else that SQLite does.
//
// SQLite shows the pages to other connections after it has asked for a sync of the log, so a connection
// must have synchronous = FULL. Such a sync writes what was gathered, and leaves it to the caller to have
// the disk keep it. Other syncs of the log, which SQLite needs before a checkpoint, are real if the
// connection has checkpoint_fullfsync = ON, by which the two differ.
package vfs

import (
	"errors"
	"fmt"
	"sync"

	"modernc.org/libc"
	"modernc.org/sqlite/lib"
)

// Name is what the parameter vfs of a data source name calls this file system.
const Name = "heyrelay"

// Register makes the file system known to SQLite.
var Register = sync.OnceValue(register)

// gatherLimit is how many octets are gathered at most: SQLite passes less than 128 KB on at once.
const gatherLimit = 124 << 10

// system is the file system that this one stands on: what it does with files, and with logs.
var system struct {
	vfs  uintptr
	open openFunc

	once     sync.Once // for what follows, which the first log has
	close    closeFunc
	read     transferFunc
	write    transferFunc
	truncate truncateFunc
	sync     syncFunc
	size     sizeFunc
	methods  uintptr // with those of this package in place of these
}

// logs has a log for each file of SQLite's that is one, by its address.
var logs sync.Map

// log is what was gathered for a log. It belongs to the connection that has it open.
type log struct {
	data []byte
	at   int64 // where in the file it belongs
}

func register() error {
	tls := libc.NewTLS()
	defer tls.Close()
	system.vfs = sqlite3.Xsqlite3_vfs_find(tls, 0)
	if system.vfs == 0 {
		return errors.New("SQLite knows no file system")
	}
	name, err := libc.CString(Name)
	if err != nil {
		return err
	}
	own := *at[sqlite3.Tsqlite3_vfs](system.vfs)
	system.open = function[openFunc](own.FxOpen)
	own.FzName = name
	own.FxOpen = address(open)
	if rc := sqlite3.Xsqlite3_vfs_register(tls, allocate(tls, own), 0); rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("SQLite refuses a file system (error %d)", rc)
	}
	return nil
}

func open(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := system.open(tls, system.vfs, name, file, flags, outFlags)
	if rc != sqlite3.SQLITE_OK || flags&sqlite3.SQLITE_OPEN_WAL == 0 {
		return rc
	}
	f := at[sqlite3.Tsqlite3_file](file)
	system.once.Do(func() { replaceMethods(tls, f.FpMethods) })
	f.FpMethods = system.methods
	logs.Store(file, &log{})
	return rc
}

// replaceMethods makes the methods of logs from those of the system.
func replaceMethods(tls *libc.TLS, methods uintptr) {
	m := *at[sqlite3.Tsqlite3_io_methods](methods)
	system.close = function[closeFunc](m.FxClose)
	system.read = function[transferFunc](m.FxRead)
	system.write = function[transferFunc](m.FxWrite)
	system.truncate = function[truncateFunc](m.FxTruncate)
	system.sync = function[syncFunc](m.FxSync)
	system.size = function[sizeFunc](m.FxFileSize)
	m.FxClose = address(closeLog)
	m.FxRead = address(readLog)
	m.FxWrite = address(writeLog)
	m.FxTruncate = address(truncateLog)
	m.FxSync = address(syncLog)
	m.FxFileSize = address(sizeLog)
	system.methods = allocate(tls, m)
}

func logOf(file uintptr) *log {
	l, _ := logs.Load(file)
	return l.(*log)
}

// flush writes what was gathered.
func flush(tls *libc.TLS, file uintptr) int32 {
	l := logOf(file)
	if len(l.data) == 0 {
		return sqlite3.SQLITE_OK
	}
	rc := system.write(tls, file, first(l.data), int32(len(l.data)), l.at)
	l.data = l.data[:0]
	return rc
}

// writeLog gathers what follows on what was gathered.
func writeLog(tls *libc.TLS, file, buffer uintptr, n int32, offset int64) int32 {
	l := logOf(file)
	end := l.at + int64(len(l.data))
	if offset != end || len(l.data)+int(n) > gatherLimit {
		if rc := flush(tls, file); rc != sqlite3.SQLITE_OK {
			return rc
		}
		l.at = offset
	}
	l.data = append(l.data, libc.GoBytes(buffer, int(n))...)
	return sqlite3.SQLITE_OK
}

func syncLog(tls *libc.TLS, file uintptr, flags int32) int32 {
	rc := flush(tls, file)
	const kind = 0xf
	if rc != sqlite3.SQLITE_OK || flags&kind != sqlite3.SQLITE_SYNC_FULL {
		return rc
	}
	return system.sync(tls, file, flags)
}

// What else concerns the content of a log finds all of it in the file.

func readLog(tls *libc.TLS, file, buffer uintptr, n int32, offset int64) int32 {
	if rc := flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return system.read(tls, file, buffer, n, offset)
}

func truncateLog(tls *libc.TLS, file uintptr, size int64) int32 {
	if rc := flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return system.truncate(tls, file, size)
}

func sizeLog(tls *libc.TLS, file, size uintptr) int32 {
	if rc := flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return system.size(tls, file, size)
}

// closeLog drops what was gathered: it belongs to a transaction that was not committed.
func closeLog(tls *libc.TLS, file uintptr) int32 {
	logs.Delete(file)
	return system.close(tls, file)
}
