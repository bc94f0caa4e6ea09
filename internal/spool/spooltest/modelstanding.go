package spooltest

import (
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// modelOffer is what is left of a capacity that stands.
type modelOffer struct {
	room  spool.Capacity
	idle  bool      // nothing was ready
	opens time.Time // the budget was spent until then
}

// disturb notes that something of a team is ready, and waits for Claim.
func (m *model) disturb(team string) {
	if o := m.offers[team]; o != nil {
		o.idle = false
	}
}

// undisturbed does what another process does: what stands does not know of it.
func (m *model) undisturbed(do func()) {
	before := map[string]modelOffer{}
	for team, o := range m.offers {
		before[team] = *o
	}
	do()
	for team, o := range before {
		*m.offers[team] = o
	}
}

// claimNew claims a new request, the only one of its team that is ready, if what is left allows it.
func (m *model) claimNew(r *modelRequest, o *modelOffer) {
	if o.room.Free <= 0 || r.call != spool.Send || r.message.AutoReplied {
		return
	}
	for _, h := range m.over(r.place()) {
		if h.held {
			return
		}
	}
	g := m.gate(r.team())
	if !g.throttle.Shut(m.now).IsZero() {
		return
	}
	var ok bool
	g.next, ok = spool.Spend(g.throttle.Pace(o.room.Rate, m.now), m.now, g.next)
	if !ok {
		return
	}
	g.tick++
	o.room.Free--
	o.idle = true
	m.claimed = append(m.claimed, r)
}

// handed follows what the store claimed while it accepted.
func (m *model) handed(tasks []*spool.Task) (claimed int, err error) {
	want := m.claimed
	m.claimed = nil
	var ids []string
	for _, r := range want {
		ids = append(ids, r.LocalID)
	}
	if got := names(tasks); !slices.Equal(got, ids) && len(got)+len(ids) > 0 {
		return 0, mismatch{got, ids}
	}
	for i, r := range want {
		if err := m.begin(m.now, spool.Capacity{}, []*modelRequest{r}, tasks[i]); err != nil {
			return 0, err
		}
	}
	return len(want), nil
}

// mayHave reports whether a Turn claims.
func (m *model) mayHave(now time.Time, rooms []spool.Capacity) bool {
	return slices.ContainsFunc(rooms, func(room spool.Capacity) bool {
		o := m.offers[room.Team]
		return o == nil || !o.idle && !o.opens.After(now)
	})
}

// renew has capacities stand instead of those before.
func (m *model) renew(rooms []spool.Capacity) {
	last := m.offers
	m.offers = map[string]*modelOffer{}
	for _, room := range rooms {
		if room.Lasts {
			o := *last[room.Team]
			o.room = room
			m.offers[room.Team] = &o
		}
	}
}
