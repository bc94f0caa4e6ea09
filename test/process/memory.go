package process

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// PeakMemory returns the most memory, in bytes, that the process pid has occupied since it
// started or since ResetPeak, and false if it has ended. It skips the test where the
// system does not have proc_pid_status(5).
func PeakMemory(t testing.TB, pid int) (peak int64, alive bool) {
	t.Helper()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	found := peakField.FindSubmatch(status)
	if found == nil { // a zombie has no memory
		return 0, false
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10, true
}

var peakField = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// ResetPeak has PeakMemory begin anew (proc_pid_clear_refs(5)).
func ResetPeak(t testing.TB, pid int) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Skip(err)
	}
}
