package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// row is a line of the table.
type row struct {
	load     string
	measured string  // with its unit
	base     string  // what it is compared with, "" for the target alone
	value    float64 // ratio to the base, or measured
	target   float64
	atMost   bool   // the target is the most, not the least
	unit     string // of value and target
}

func (r row) String() string {
	bound, verdict := "at least", "reached"
	if r.atMost {
		bound = "at most"
	}
	if (r.value > r.target) == r.atMost {
		verdict = "**not reached**"
	}
	value := ""
	if r.base != "" {
		value = digits(r.value) + " " + r.unit
	}
	target := strings.TrimSpace(digits(r.target) + " " + r.unit)
	return fmt.Sprintf("| %s | %s | %s | %s | %s %s | %s |\n",
		r.load, r.measured, r.base, value, bound, target, verdict)
}

// digits writes a number with three digits at least that say something.
func digits(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// form writes a figure with its unit.
type form func(float64) string

func perSecond(v float64) string    { return fmt.Sprintf("%.0f/s", v) }
func microseconds(v float64) string { return fmt.Sprintf("%.0f µs", v/1e3) }
func milliseconds(v float64) string { return fmt.Sprintf("%.2f ms", v/1e6) }

// versus compares a figure of two targets that took a load in turn.
func (f findings) versus(load, name, base string, of func(figures) float64, in form, target float64) row {
	r := f.of[load]
	return row{
		load:     load,
		measured: in(r.median(name, of)),
		base:     base + ": " + in(r.median(base, of)),
		value:    r.ratio(name, base, of),
		target:   target,
		unit:     "×",
	}
}

func atMost(r row) row {
	r.atMost = true
	return r
}

func (r row) of(what string) row {
	r.load += ": " + what
	return r
}

// absolute is a figure that is compared with its target only.
func absolute(load string, value, target float64, unit string) row {
	measured := strings.TrimSpace(digits(value) + " " + unit)
	return row{load: load, measured: measured, value: value, target: target, unit: unit}
}

const (
	kilobyte = 1024 // of what is written: pages are counted
	megabyte = 1e6
)

// rows are those of the experiments that were made.
func (f findings) rows() []row {
	s := f.single
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	all := []row{
		f.versus(kept, now, postfix, rate, perSecond, 7),
		atMost(f.versus(kept, now, before, cpu, microseconds, 0.5)).of("CPU per message"),
		f.versus(eachAlone, now, postfix, rate, perSecond, 6),
		f.versus(html, now, postfix, rate, perSecond, 5),
		f.versus(kept, now, bound, rate, perSecond, 0.22),
		f.versus(html, now, bound, rate, perSecond, 0.3),
		f.versus(slowAPI, wide, gateway, rate, perSecond, 4).of("`concurrency: 256`"),
		f.versus(slowAPI, now, gateway, rate, perSecond, 1).of("default `concurrency`"),
		atMost(f.versus(oneClient, now, postfix, p50, milliseconds, 0.8)).of("accept, p50"),
		atMost(f.versus(oneClient, now, postfix, p99, milliseconds, 0.8)).of("accept, p99"),
		atMost(absolute("memory idle, PSS", float64(s.idle)/megabyte, 25, "MB")),
		atMost(absolute("4 KB: memory, PSS", f.of[kept].median(now, peak)/megabyte, 80, "MB")),
		absolute(attached+", `attachments: drop`", f.of[attached].median(now, rate), 40, "messages/s"),
		atMost(absolute(attached+": memory, PSS", f.of[attached].median(now, peak)/megabyte, 150, "MB")),
		atMost(absolute("statements of the spool for one small message", float64(s.statements), 12, "")),
		atMost(absolute("transactions for it", float64(s.transactions), 2, "")),
		atMost(absolute("written for one small message, accepted to sent", float64(s.written)/kilobyte, 100, "KB")),
		atMost(absolute("start to the first 250, empty spool", ms(s.start), 150, "ms")),
		atMost(absolute("start to the first 250, a million waiting", ms(s.started), 2000, "ms")),
		f.versus(largeSpool, full, now, rate, perSecond, 0.6).of("a million waiting, ten million ids"),
	}
	var made []row
	for _, r := range all {
		if r.value > 0 {
			made = append(made, r)
		}
	}
	return made
}

// table is the table in Markdown, with when and on what it was measured.
func (f findings) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s with %s on %s/%s, %d cores, Postfix %s. Medians of the rounds.\n",
		time.Now().UTC().Format("2006-01-02"), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		postfixVersion())
	fmt.Fprintf(&b, "The load average before the run was %s; at 1 or more, other programs disturbed the figures.\n\n",
		f.disturbed)
	b.WriteString("| load | measured | compared with | ratio | target | result |\n|---|---|---|---|---|---|\n")
	for _, r := range f.rows() {
		b.WriteString(r.String())
	}
	if s := f.single; s.steadyCPU > 0 {
		fmt.Fprintf(&b, "\nA sidecar at %d messages a minute, which is what the API allows, uses %.1f %% of a core and "+
			"%.0f MB (PSS);\nidle, it uses %.1f %% and %.0f MB.\n", steady, 100*s.steadyCPU,
			float64(s.steady.peak)/megabyte, 100*s.idleCPU, float64(s.idle)/megabyte)
	}
	return b.String()
}

// loadAverage is how many processes wanted a processor during the last minute, as text.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	average, _, _ := strings.Cut(string(text), " ")
	return average
}

func postfixVersion() string {
	out, err := exec.Command("postconf", "-h", "mail_version").Output()
	if err != nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(out))
}

// Markers of the table in a document.
const (
	begin = "<!-- make bench writes from here -->\n"
	end   = "<!-- to here -->\n"
)

// replaceTable writes a table into a file, in place of what is between the markers.
func replaceTable(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	front, rest, ok := strings.Cut(string(text), begin)
	_, back, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(front+begin+"\n"+table+"\n"+end+back), 0o644)
}
