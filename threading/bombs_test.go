package threading

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// bombs are inputs of about n bytes that a careless function handles in more than
// linear time or memory.
var bombs = map[string]func(n int) string{
	"Re:":            func(n int) string { return strings.Repeat("Re: ", n/4) },
	"Re[1]:":         func(n int) string { return strings.Repeat("Re[1]: ", n/7) },
	"tags":           func(n int) string { return strings.Repeat("[a]", n/3) },
	"open brackets":  func(n int) string { return strings.Repeat("[", n) },
	"blanks":         func(n int) string { return strings.Repeat(" ", n) + "(fwd)" },
	"open tag":       func(n int) string { return "[" + strings.Repeat("a", n) },
	"(fwd)":          func(n int) string { return strings.Repeat(" (fwd)", n/6) },
	"upper case":     func(n int) string { return strings.Repeat("\u0130", n/2) },
	"invalid octets": func(n int) string { return strings.Repeat("\xff", n) },
}

// allocated returns how many bytes f allocates.
func allocated(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}

// TestBaseSubjectIsLinear counts allocated bytes: what repeats its work copies it, too.
func TestBaseSubjectIsLinear(t *testing.T) {
	const (
		n     = 1 << 9 // bytes; within the bound
		runs  = 100    // the pool of the regular expressions allocates now and then
		small = runs << 14
	)
	for name, bomb := range bombs {
		once, twice := bomb(n), bomb(2*n)
		repeated := func(s string) float64 {
			return allocated(func() {
				for range runs {
					BaseSubject(s)
				}
			})
		}
		few, many := repeated(once), repeated(twice)
		if many > 2.5*few+small {
			t.Errorf("%s: %.0f bytes allocated for %d, %.0f for twice as many", name, few/runs, n, many/runs)
		}
	}
}

// A subject is cut before it is worked on, and stays text.
func TestBaseSubjectIsBounded(t *testing.T) {
	for name, bomb := range bombs {
		got := BaseSubject(bomb(1 << 20))
		if len(got) > 3072 {
			t.Errorf("%s: %d bytes", name, len(got))
		}
		if strings.ToValidUTF8(got, "?") != got {
			t.Errorf("%s: %q is not UTF-8", name, got)
		}
	}
	long := strings.Repeat("x", 2048)
	if BaseSubject("Re: "+long) != BaseSubject("Re: "+long+" and more") {
		t.Error("the end of a long subject counts")
	}
}

// Many ids cost their number.
func TestKeysAreLinear(t *testing.T) {
	bytes := func(n int) float64 {
		h := ThreadHeaders{}
		for i := range n {
			h.References = append(h.References, fmt.Sprintf("\"%d\"@Example.Com", i))
		}
		return testing.AllocsPerRun(3, func() { h.Keys("shop/1", Audience{Participants: "a@x"}) })
	}
	if few, many := bytes(1000), bytes(2000); many > 2.5*few {
		t.Errorf("%v allocations for 1,000 ids, %v for 2,000", few, many)
	}
}

// Many recipients cost their number, and a long address its length.
func TestSplitIsLinear(t *testing.T) {
	split := func(n, size int) float64 {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("%d%s@Example.COM", i, strings.Repeat(".a", size)))
		}
		return allocated(func() { Split(all, all[:n/2], all[n/4:n/2]) })
	}
	const small = 64 << 10
	if few, many := split(500, 1), split(1000, 1); many > 2.5*few+small {
		t.Errorf("%.0f bytes allocated for 500 recipients, %.0f for 1,000", few, many)
	}
	if few, many := split(10, 5000), split(10, 10_000); many > 2.5*few+small {
		t.Errorf("%.0f bytes allocated for addresses of 10 KB, %.0f for 20 KB", few, many)
	}
}

// A domain that is too long to be one costs no more than one that is not. The time is generous: the fault
// to be found takes seconds.
func TestLongDomains(t *testing.T) {
	const n, most = 12_000, 250 * time.Millisecond
	var label strings.Builder
	for r := '\u4e00'; r < '\u4e00'+n; r++ {
		label.WriteRune(r)
	}
	began := time.Now()
	got := Canonical("A@" + label.String())
	if took := time.Since(began); took > most || got != "a@"+label.String() {
		t.Errorf("took %v for %d characters", took, n)
	}
}
