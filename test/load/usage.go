package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tick is the unit of CPU time in proc_pid_stat(5): Linux shows hundredths of a second everywhere.
const tick = 10 * time.Millisecond

// tree returns a process and its children: those of Postfix are all children of its master. Linux lists them
// by the thread that started them; to look at every process there is would cost more than what is measured.
func tree(pid int) []int {
	all := []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is valid
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread that has ended has none
		for _, field := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(field) // digits
			all = append(all, child)
		}
	}
	return all
}

// statFields returns the fields of a stat file from the state on.
func statFields(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	_, after, ok := strings.Cut(string(text), ") ") // the end of the name
	fields := strings.Fields(after)
	if !ok || len(fields) < 15 {
		return nil, fmt.Errorf("%s: %q", file, text)
	}
	return fields, nil
}

// cpuTime is what a process and its children have used, with children that have ended. It is 0 without
// Linux's /proc.
func cpuTime(pid int) time.Duration {
	var ticks int
	for _, p := range tree(pid) {
		fields, err := statFields(fmt.Sprintf("/proc/%d/stat", p))
		if err != nil {
			continue // it has ended: its parent has its time
		}
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.Atoi(field) // digits
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

// memory is the proportional set size of a process and its children, in bytes: their memory, with what they
// share counted once. It is 0 without Linux's /proc.
func memory(pid int) (pss int64) {
	for _, p := range tree(pid) {
		pss += number(fmt.Sprintf("/proc/%d/smaps_rollup", p), "Pss:") << 10
	}
	return pss
}

// written is how many bytes a process has caused to be written to disks.
func written(pid int) int64 { return number(fmt.Sprintf("/proc/%d/io", pid), "write_bytes:") }

// number returns the number that follows a name in a file, 0 if there is none.
func number(file, name string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(text, []byte("\n"+name))
	fields := bytes.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[0]), 10, 64) // digits
	return n
}

// sampler finds the peak of a process's memory.
type sampler struct {
	peak int64
	end  context.CancelFunc
	done sync.WaitGroup
}

// samples is how often memory is looked at: to do so costs a millisecond.
const samples = 100 * time.Millisecond

func startSampler(pid int) *sampler {
	s := &sampler{}
	var ctx context.Context
	ctx, s.end = context.WithCancel(context.Background())
	s.done.Go(func() {
		for ctx.Err() == nil {
			s.peak = max(s.peak, memory(pid))
			_ = wait(ctx, samples) // the loop looks at ctx
		}
	})
	return s
}

// stop returns the peak.
func (s *sampler) stop() int64 {
	s.end()
	s.done.Wait()
	return s.peak
}
