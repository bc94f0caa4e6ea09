package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestReleaseProgram checks that the pages of the program are given back, and that it runs on.
func TestReleaseProgram(t *testing.T) {
	before := residentProgram(t)
	if err := releaseProgram(); err != nil {
		t.Fatal(err)
	}
	if after := residentProgram(t); after > before/2 {
		t.Errorf("%d KB of the program are resident, %d KB before", after, before)
	}
}

// residentProgram returns how much of the test's own program, and of what it is linked with, is resident, in KB.
func residentProgram(t *testing.T) (kb int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nRssFile:")
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return kb
}

// TestMappingsOf checks that what is no longer as in the file, or may be changed, is known as such. A program
// that the system may load at any address has pages of the first kind.
func TestMappingsOf(t *testing.T) {
	const smaps = `00400000-01002000 r-xp 00000000 fe:00 10158098                           /usr/bin/heyrelay
Size:              12296 kB
Rss:               11328 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01c92000-01e06000 rw-p 01892000 fe:00 10158098                           /usr/bin/heyrelay
Rss:                 720 kB
Anonymous:             0 kB
01e06000-01e16000 r--p 01892000 fe:00 10158098                           /usr/bin/heyrelay
Rss:                  64 kB
Anonymous:            60 kB
01e16000-03e54000 rw-p 00000000 00:00 0 
Rss:                 140 kB
Anonymous:           140 kB
7ff9cb60c000-7ff9cb6be000 r--p 00000000 fe:00 10158099                   /usr/lib/heyrelay
Rss:                 440 kB
`
	got := mappingsOf(smaps, "/usr/bin/heyrelay")
	want := []mapping{
		{begin: 0x400000, end: 0x1002000},
		{begin: 0x1c92000, end: 0x1e06000, private: true},
		{begin: 0x1e06000, end: 0x1e16000, private: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
