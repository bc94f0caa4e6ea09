package spool

import "time"

// minJump is the smallest difference between the wall clock and the time that passed
// for which the clock counts as set. A smaller one does no harm.
const minJump = time.Minute

// Clock notices when the wall clock was set. The clock of a machine that was
// suspended counts as set ahead.
type Clock struct {
	now          func() time.Time
	wall, passed time.Time // of the last call, by the wall clock and by the monotonic one
}

// NewClock returns a Clock that observes now from now on.
func NewClock(now func() time.Time) *Clock {
	return &Clock{now: now, wall: now().Round(0), passed: time.Now()}
}

// Changed returns how far the wall clock was set ahead since the last call, or back
// if negative; 0 if it was not.
func (c *Clock) Changed() time.Duration {
	wall, passed := c.now().Round(0), time.Now()
	jump := wall.Sub(c.wall) - passed.Sub(c.passed)
	c.wall, c.passed = wall, passed
	if jump.Abs() < minJump {
		return 0
	}
	return jump
}
