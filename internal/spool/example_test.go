package spool_test

import (
	"fmt"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// A budget of 60 calls a minute begins one a second or so.
func ExampleSpend() {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	next, ok := spool.Spend(60, now, time.Time{})
	fmt.Println(ok)
	next, ok = spool.Spend(60, now, next)
	fmt.Println(ok, spool.Opens(next).Sub(now))
	// Output:
	// true
	// false 710ms
}

func ExampleParseState() {
	s, err := spool.ParseState("deferred")
	fmt.Println(s, s.Open(), err)
	_, err = spool.ParseState("sleepy")
	problem, _, _ := strings.Cut(err.Error(), ", deferred")
	fmt.Println(problem)
	// Output:
	// deferred true <nil>
	// no state is called "sleepy": use one of queued, ready
}
