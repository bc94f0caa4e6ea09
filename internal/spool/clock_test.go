package spool

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set time.Duration
		c := NewClock(func() time.Time { return time.Now().Round(0).Add(set) })
		for _, jump := range []time.Duration{0, time.Hour, -time.Hour, 365 * 24 * time.Hour, -2 * time.Hour, 0} {
			set += jump
			<-time.After(3 * time.Hour) // passes, and is no jump
			if got := c.Changed(); got != jump {
				t.Errorf("set by %v, it says %v", jump, got)
			}
		}
		set += 59 * time.Second
		if got := c.Changed(); got != 0 {
			t.Errorf("set by less than a minute, it says %v", got)
		}
	})
}
