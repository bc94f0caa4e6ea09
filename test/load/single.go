package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"heyrelay/test/process"
)

// single is what a heyrelay alone shows, apart from loads.
type single struct {
	idle      int64         // PSS in bytes, some seconds after the start
	idleCPU   float64       // share of a processor, with nothing to do
	written   int64         // bytes to disk for a small message alone, from its acceptance to sent
	start     time.Duration // to the first 250, empty spool
	started   time.Duration // the same where a million waits, 0 if not measured
	steady    figures       // 500 messages a minute, the rate that the API allows
	steadyCPU float64       // share of a processor at that

	statements, transactions int // of the spool for one message alone, from its acceptance to sent
}

const (
	settling = 3 * time.Second        // after which a start is over
	alone    = 20                     // small messages
	apart    = 100 * time.Millisecond // between them, so that none shares a commit with another
	steady   = 500                    // messages a minute
)

// measureSingle measures a heyrelay with the default configuration. large is a spool in which a million
// requests wait, "" for none.
func measureSingle(ctx context.Context, binary, large string) (s single, err error) {
	t, err := startHeyrelay(settings{name: now, binary: binary})
	if err != nil {
		return s, err
	}
	defer t.close()
	err = wait(ctx, settling)
	if err != nil {
		return s, err
	}
	s.idle = memory(t.pid)
	s.idleCPU, err = share(t, func() error { return wait(ctx, 2*settling) })
	if err != nil {
		return s, err
	}
	s.written, err = writtenAlone(ctx, t)
	if err != nil {
		return s, err
	}
	s.steadyCPU, err = share(t, func() (err error) {
		s.steady, err = measure(ctx, t, load{1, steady / 2, 0, plainBody, steady})
		return err
	})
	if err != nil {
		return s, err
	}
	s.statements, s.transactions, err = counted(ctx)
	if err != nil {
		return s, err
	}
	s.start, err = startTime(ctx, binary, "")
	if err == nil && large != "" {
		s.started, err = startTime(ctx, binary, large)
	}
	return s, err
}

// cost is what the test of the spool's statements reports first: those of a message alone.
var cost = regexp.MustCompile(`(\d+) statements, (\d+) transactions`)

// counted has that test count.
func counted(ctx context.Context) (statements, transactions int, err error) {
	args := []string{"test", "-count=1", "-v", "-run=^TestCost$", "heyrelay/internal/spool/sqlite"}
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("go %q: %w\n%s", args, err, out)
	}
	m := cost.FindSubmatch(out)
	if m == nil {
		return 0, 0, fmt.Errorf("go %q counted nothing:\n%s", args, out)
	}
	statements, _ = strconv.Atoi(string(m[1])) // digits
	transactions, _ = strconv.Atoi(string(m[2]))
	return statements, transactions, nil
}

// share returns what share of a processor a target used while do ran.
func share(t *target, do func() error) (float64, error) {
	began, before := time.Now(), cpuTime(t.pid)
	err := do()
	return (cpuTime(t.pid) - before).Seconds() / time.Since(began).Seconds(), err
}

// writtenAlone returns how much a message causes to be written, if no other is under way.
func writtenAlone(ctx context.Context, t *target) (int64, error) {
	var before int64
	for i := range 2 * alone {
		if i == alone { // the first ones fill what is empty
			before = written(t.pid)
		}
		_, err := measure(ctx, t, load{1, 1, 0, smallBody, 0})
		if err := errors.Join(err, wait(ctx, apart)); err != nil {
			return 0, err
		}
	}
	return (written(t.pid) - before) / alone, nil
}

// startTime returns the median time from the start of the process to the first 250 for a message.
func startTime(ctx context.Context, binary, spool string) (time.Duration, error) {
	var all []float64
	for range 5 {
		took, err := startOnce(ctx, binary, spool)
		if err != nil {
			return 0, err
		}
		all = append(all, float64(took))
	}
	return time.Duration(median(all)), nil
}

func startOnce(ctx context.Context, binary, spool string) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "heyrelay-start-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	address, err := process.FindAddress()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	// Nothing listens at port 9: the 250 does not wait for the API.
	c, err := settings{binary: binary, spool: spool}.serve(dir, address, "http://127.0.0.1:9")
	if err != nil {
		return 0, err
	}
	defer c.kill()
	if err := awaitListener(address); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return 0, fmt.Errorf("%w\n%s", err, log)
	}
	_, err = send(ctx, address, load{1, 1, 0, plainBody, 0}, newPrefix())
	return time.Since(began), err
}
