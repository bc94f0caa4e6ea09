package spool

import "time"

const (
	firstShut  = time.Second     // pause after the first 429 without a Retry-After; it doubles with each
	longShut   = 5 * time.Minute // the longest such pause
	recoveries = 10              // minutes in which a budget comes back from nothing to all of it
)

// Throttle is the pace of a team after answers 429. The zero value is a
// team that was never throttled.
type Throttle struct {
	Began time.Time // when the newest 429 was taken into account
	Until time.Time // no call begins before
	Rate  int       // calls a minute from Until on; a tenth of the budget comes back each minute
}

// TooMany is an answer 429.
type TooMany struct {
	Rate       int           // the team's whole budget, calls a minute
	Began      time.Time     // when the call began
	RetryAfter time.Duration // as the answer asked for, 0 where it did not
}

// Shut returns the time until which no call may begin, zero where one may. A pause
// that began in the future was set before the clock jumped back, and is none.
func (t Throttle) Shut(now time.Time) time.Time {
	if now.Before(t.Began) || !now.Before(t.Until) {
		return time.Time{}
	}
	return t.Until
}

// Pace returns how many calls a minute a budget of rate calls allows at now.
func (t Throttle) Pace(rate int, now time.Time) int {
	if t.Until.IsZero() || now.Before(t.Began) {
		return rate
	}
	back := max(0, now.Sub(t.Until))
	if back >= recoveries*time.Minute || t.Rate >= rate {
		return rate
	}
	return min(rate, t.Rate+int(int64(rate)*int64(back)/int64(recoveries*time.Minute)))
}

// Recovered returns when the whole budget may be used again.
func (t Throttle) Recovered(rate int) time.Time {
	if t.Until.IsZero() || t.Rate >= rate {
		return t.Until
	}
	missing := int64(rate - t.Rate)
	return t.Until.Add(time.Duration(missing * int64(recoveries*time.Minute) / int64(rate)))
}

// After returns what t becomes with an answer that came at now. The team is shut
// for the time that was asked for, or else for a pause that grows until the team has
// recovered. Then its pace is half of what it was. The answers to calls that began
// before are all one with the first: they make the pause longer at most.
func (t Throttle) After(answer TooMany, now time.Time) Throttle {
	if !t.Began.After(now) && !answer.Began.After(t.Began) {
		if until := now.Add(answer.RetryAfter); until.After(t.Until) {
			t.Until = until
		}
		return t
	}
	pause := answer.RetryAfter
	if pause <= 0 {
		pause = t.nextPause(answer.Rate, now)
	}
	return Throttle{Began: now, Until: now.Add(pause), Rate: max(1, t.Pace(answer.Rate, now)/2)}
}

func (t Throttle) nextPause(rate int, now time.Time) time.Duration {
	if now.Before(t.Began) || !now.Before(t.Recovered(rate)) {
		return firstShut
	}
	return min(max(firstShut, 2*t.Until.Sub(t.Began)), longShut)
}
