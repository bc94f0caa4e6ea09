package spool

import (
	"testing"
	"time"
)

// The first 429 shuts the team and halves its pace, answers to calls that were
// under way count with it, the next one halves again, and the pace comes back.
func TestThrottle(t *testing.T) {
	const rate = 500
	var z Throttle
	if pace := z.Pace(rate, epoch); pace != rate || !z.Shut(epoch).IsZero() {
		t.Errorf("before any 429: pace %d, shut until %v", pace, z.Shut(epoch))
	}
	first := z.After(TooMany{rate, epoch, time.Minute}, epoch.Add(time.Second))
	if first.Rate != 250 || first.Until != epoch.Add(61*time.Second) {
		t.Errorf("after the first: %+v, want 250 a minute after a minute", first)
	}
	if again := first.After(TooMany{rate, epoch, time.Minute}, epoch.Add(2*time.Second)); again.Rate != 250 ||
		again.Until != epoch.Add(62*time.Second) {
		t.Errorf("after the answer to an older call: %+v, want the same pace", again)
	}
	if at := first.Shut(epoch.Add(60 * time.Second)); at != first.Until {
		t.Errorf("after 60 s it is shut until %v, want %v", at, first.Until)
	}
	if at := first.Shut(first.Until); !at.IsZero() {
		t.Errorf("after the pause it is shut until %v", at)
	}
	second := first.After(TooMany{rate, first.Until, 0}, first.Until.Add(time.Second))
	if second.Rate != 125 || second.Until.Sub(second.Began) != 2*time.Minute {
		t.Errorf("after the second: %+v, want 125 a minute after twice the pause", second)
	}
	for minutes, want := range map[int]int{0: 125, 1: 175, 5: 375, 7: 475, 8: 500, 60: 500} {
		at := second.Until.Add(time.Duration(minutes) * time.Minute)
		if pace := second.Pace(rate, at); pace != want {
			t.Errorf("after %d minutes the pace is %d, want %d", minutes, pace, want)
		}
	}
	if d := second.Recovered(rate).Sub(second.Until); d != 450*time.Second {
		t.Errorf("it has recovered after %v, want 7 min 30 s", d)
	}
}

// Without a Retry-After the pause doubles up to its limit; a team that has
// recovered begins with the first one.
func TestThrottlePauseGrows(t *testing.T) {
	var z Throttle
	now := epoch
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		z = z.After(TooMany{500, now, 0}, now)
		if z.Until.Sub(z.Began) != want*time.Second {
			t.Fatalf("the pause is %v, want %v", z.Until.Sub(z.Began), want*time.Second)
		}
		now = z.Until.Add(time.Second)
	}
	if z.Rate != 1 {
		t.Errorf("the pace is %d, want at least 1", z.Rate)
	}
	now = z.Recovered(500)
	z = z.After(TooMany{500, now, 0}, now)
	if z.Until.Sub(z.Began) != time.Second || z.Rate != 250 {
		t.Errorf("after it had recovered: %+v, want a first pause and half the pace", z)
	}
}

// A pause of a clock that was set back shuts nobody.
func TestThrottleClockJumpsBack(t *testing.T) {
	z := Throttle{}.After(TooMany{500, epoch, time.Minute}, epoch)
	if at := z.Shut(epoch.Add(-time.Hour)); !at.IsZero() {
		t.Errorf("shut until %v", at)
	}
	if pace := z.Pace(500, epoch.Add(-time.Hour)); pace != 500 {
		t.Errorf("the pace is %d", pace)
	}
}
