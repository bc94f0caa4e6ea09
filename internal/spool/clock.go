package spool

import "time"

// jumpFrom is how far a wall clock parts from the time that passes before it
// counts as set. What is less hurts nobody.
const jumpFrom = time.Minute

// Clock tells a wall clock that was set from time that passed. A machine that
// slept has its clock set ahead.
type Clock struct {
	now          func() time.Time
	wall, passed time.Time // when it was asked last, by the wall clock and by the one that only runs
}

// NewClock returns a Clock that watches now from now on.
func NewClock(now func() time.Time) *Clock {
	return &Clock{now: now, wall: now().Round(0), passed: time.Now()}
}

// Changed returns how far the wall clock was set ahead since it was asked last, or
// back where negative; 0 where it was not.
func (c *Clock) Changed() time.Duration {
	wall, passed := c.now().Round(0), time.Now()
	jump := wall.Sub(c.wall) - passed.Sub(c.passed)
	c.wall, c.passed = wall, passed
	if jump.Abs() < jumpFrom {
		return 0
	}
	return jump
}
