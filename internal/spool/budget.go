package spool

import "time"

// A budget is kept by the generic cell rate algorithm: one point in time, next,
// stands for all that was spent. A call may begin from slack before next on, and
// moves next ahead by a minute's share. So in any span of 60 s at most
// (60 s + slack)/share + 1 calls begin, which stays under rate because the share
// is cut from more than 60 s + slack.
const (
	minute = 60600 * time.Millisecond // cut into rate shares: 99 % of the budget is used
	slack  = 300 * time.Millisecond   // how late a caller may wake without losing a share
)

// Spend decides whether one call of a budget of rate calls a minute may begin at
// now, and returns what next has become. It is to be stored in either case: a
// next that is further ahead than spending can have moved it (the clock jumped
// back) is cut down to one share, and would be cut down anew each time if it were
// not kept. The zero time is the next of a budget that was never spent.
func Spend(rate int, now, next time.Time) (time.Time, bool) {
	if rate <= 0 {
		return next, false
	}
	share := minute / time.Duration(rate)
	if next.After(now.Add(slack + minute)) {
		next = now.Add(slack + share)
	}
	if Opens(next).After(now) {
		return next, false
	}
	if next.Before(now) {
		next = now
	}
	return next.Add(share), true
}

// Reserve takes one call in advance from a budget of rate calls a minute, and
// returns from when it may begin and what next has become. Calls are reserved one
// behind the other, and Spend has none to give before the last of them.
func Reserve(rate int, now, next time.Time) (begin, after time.Time) {
	if rate <= 0 {
		return now.Add(minute), next
	}
	share := minute / time.Duration(rate)
	if next.After(now.Add(slack + 2*minute)) { // the clock jumped back, see Spend
		next = now.Add(slack + share)
	}
	if next.Before(now) {
		next = now
	}
	begin = Opens(next)
	if begin.Before(now) {
		begin = now
	}
	return begin, next.Add(share)
}

// Opens is the time from which a call may begin.
func Opens(next time.Time) time.Time { return next.Add(-slack) }

// ClassOrder is the order in which classes are asked for the call that takes a
// tick. Ticks count the calls that a team has begun. High goes first but for
// every 8th tick, which begins at Normal, and every 16th, which begins at Bulk,
// so that no class starves. After the first, the others follow by urgency.
func ClassOrder(tick int64) [3]Priority {
	switch {
	case tick%16 == 15:
		return [...]Priority{Bulk, High, Normal}
	case tick%8 == 7:
		return [...]Priority{Normal, High, Bulk}
	default:
		return [...]Priority{High, Normal, Bulk}
	}
}
