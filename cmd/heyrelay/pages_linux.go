package main

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseProgram gives back to the system the pages of the program's own file, as debug.FreeOSMemory does those
// of the heap: more than half of them only a start needs. What is used again is mapped again, from the system's
// cache.
func releaseProgram() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	for _, m := range mappingsOf(string(smaps), path) {
		if m.private {
			continue
		}
		_, _, e := unix.Syscall(unix.SYS_MADVISE, m.begin, m.end-m.begin, unix.MADV_DONTNEED)
		if e != 0 {
			err = errors.Join(err, e)
		}
	}
	return err
}

// mapping is a range of addresses at which a file is mapped.
type mapping struct {
	begin, end uintptr
	private    bool // pages are, or may become, other than those of the file: given back, they would be lost
}

// mappingsOf returns the mappings of the file at path from /proc/PID/smaps, see proc_pid_smaps(5).
func mappingsOf(smaps, path string) (all []mapping) {
	ours := false
	for line := range strings.Lines(smaps) {
		key, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		if begin, end, ok := addresses(key); ok {
			ours = strings.HasSuffix(value, " "+path)
			if ours {
				permissions, _, _ := strings.Cut(value, " ")
				all = append(all, mapping{begin: begin, end: end, private: strings.Contains(permissions, "w")})
			}
		} else if ours && key == "Anonymous:" && value != "0 kB" {
			all[len(all)-1].private = true
		}
	}
	return all
}

// addresses parses the beginning of a mapping's first line, such as 00400000-01002000.
func addresses(s string) (begin, end uintptr, ok bool) {
	from, to, _ := strings.Cut(s, "-")
	b, err := strconv.ParseUint(from, 16, strconv.IntSize)
	if err != nil {
		return 0, 0, false
	}
	e, err := strconv.ParseUint(to, 16, strconv.IntSize)
	return uintptr(b), uintptr(e), err == nil
}
