package events

import "time"

// Step is a part of what an event is about, and its time.
type Step struct {
	Name       string
	Start, End time.Time
}

// Stopwatch makes the steps of what happens one after the other. Make one with NewStopwatch.
type Stopwatch struct {
	now   func() time.Time
	last  time.Time
	steps []Step
}

// NewStopwatch returns a Stopwatch that runs.
func NewStopwatch(now func() time.Time) *Stopwatch { return &Stopwatch{now: now, last: now()} }

// Lap ends a step, which began with the end of the one before, and returns all so far. They are
// the caller's.
func (s *Stopwatch) Lap(name string) []Step {
	now := s.now()
	s.steps = append(s.steps, Step{name, s.last, now})
	s.last = now
	return s.steps
}
