package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// figures are what one load has shown of one target.
type figures struct {
	rate       float64       // messages a second, from the first MAIL to the last delivery
	p50, p90   time.Duration // of the acceptance, as p99 and max
	p99, max   time.Duration
	cpu        time.Duration // of the server for each message, user and system
	peak       int64         // PSS in bytes
	deferred   int           // replies 4yz
	refused    int           // messages
	lost       int           // were accepted, and did not arrive
	duplicates int           // arrivals beside the first of each message
}

// deadline is how long messages may take from the last acceptance to the last delivery.
const deadline = 5 * time.Minute

// newPrefix returns a prefix of ids that nobody else uses.
func newPrefix() string { return fmt.Sprintf("m%08x", rand.Uint32()) }

// measure sends a load to a target, waits until all that was accepted has arrived, and looks whether anything
// came twice.
func measure(ctx context.Context, t *target, l load) (figures, error) {
	if t.behind != nil {
		if err := t.behind.forget(); err != nil {
			return figures{}, err
		}
	}
	before := cpuTime(t.pid)
	memory := startSampler(t.pid)
	a, err := send(ctx, t.address, l, newPrefix())
	end := time.Now()
	if err == nil && t.behind != nil {
		err = t.await(ctx, len(a.ids))
	}
	f := figures{peak: memory.stop(), deferred: a.deferred, refused: a.refused}
	if err != nil {
		return f, fmt.Errorf("%s: %w", t.name, err)
	}
	if t.behind != nil {
		all, err := t.behind.arrived()
		if err != nil {
			return f, err
		}
		f.lost, f.duplicates = compareIDs(a.ids, all.IDs)
		end = all.Last
	}
	n := len(a.ids)
	f.rate = float64(n) / end.Sub(a.began).Seconds()
	f.cpu = (cpuTime(t.pid) - before) / time.Duration(max(n, 1))
	f.p50, f.p90 = percentile(a.latencies, 0.5), percentile(a.latencies, 0.9)
	f.p99, f.max = percentile(a.latencies, 0.99), percentile(a.latencies, 1)
	return f, nil
}

// await waits until n messages have arrived, or no more can be expected.
func (t *target) await(ctx context.Context, n int) error {
	for late := time.Now().Add(deadline); ; {
		got, err := t.behind.count()
		if err != nil || got >= n || time.Now().After(late) {
			return err
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// compareIDs counts those that were sent and did not arrive, and the arrivals of each beside its first.
func compareIDs(sent []string, arrived map[string]int) (lost, duplicates int) {
	for _, id := range sent {
		n := arrived[id]
		if n == 0 {
			lost++
		}
		duplicates += max(n-1, 0)
	}
	return lost, duplicates
}

// results are the figures of each target, a round each.
type results map[string][]figures

// median returns the median of a figure of a target, 0 if it was not measured.
func (r results) median(name string, of func(figures) float64) float64 {
	var all []float64
	for _, f := range r[name] {
		all = append(all, of(f))
	}
	return median(all)
}

// ratio returns the median of the rounds' ratios of a figure: what disturbs a round disturbs both.
func (r results) ratio(name, base string, of func(figures) float64) float64 {
	var all []float64
	for i := range min(len(r[name]), len(r[base])) {
		all = append(all, of(r[name][i])/of(r[base][i]))
	}
	return median(all)
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

func rate(f figures) float64 { return f.rate }
func cpu(f figures) float64  { return float64(f.cpu) }
func p50(f figures) float64  { return float64(f.p50) }
func p99(f figures) float64  { return float64(f.p99) }
func peak(f figures) float64 { return float64(f.peak) }

// starter starts a target.
type starter func() (*target, error)

// rounds measures targets in turn, after a round that does not count, and prints the figures. It fails if a
// message is lost, arrives twice or is refused.
func rounds(ctx context.Context, l load, n int, starters ...starter) (results, error) {
	var targets []*target
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	for _, start := range starters {
		t, err := start()
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	r := results{}
	for i := range n + 1 {
		for _, t := range targets {
			part := l
			if i == 0 {
				part.Messages = max(l.Messages/4, l.Clients)
			}
			f, err := measure(ctx, t, part)
			if err != nil {
				return nil, err
			}
			if f.lost+f.duplicates+f.refused > 0 {
				return nil, fmt.Errorf("%s: %d lost, %d twice, %d refused", t.name, f.lost, f.duplicates, f.refused)
			}
			if i > 0 {
				r[t.name] = append(r[t.name], f)
			}
		}
	}
	for _, t := range targets {
		fmt.Println("  " + r.line(t.name))
	}
	return r, nil
}

// line is the figures of a target in words.
func (r results) line(name string) string {
	var deferred int
	for _, f := range r[name] {
		deferred += f.deferred
	}
	ms := func(of func(figures) float64) float64 { return r.median(name, of) / float64(time.Millisecond) }
	return fmt.Sprintf("%-24s %7.0f/s  accept p50 %.2f p90 %.2f p99 %.2f max %.2f ms  CPU %4.0f µs  peak %.0f MB PSS  "+
		"deferred %d",
		name, r.median(name, rate), ms(p50), ms(func(f figures) float64 { return float64(f.p90) }), ms(p99),
		ms(func(f figures) float64 { return float64(f.max) }), 1000*ms(cpu), r.median(name, peak)/megabyte, deferred)
}
