package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// injection is a fault that a test requested.
type injection struct {
	left  int // calls; negative: no end
	fault Fault
	match func(Call) bool
}

// draw returns what happens to a call whatever it requests: the fault of a test,
// else one by chance; and its share of Options.Spread.
func (s *Sandbox) draw(c Call) (fault Fault, spread float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.o.Chance) > 0 || s.o.Spread > 0 {
		rng := s.random(c)
		fault = s.chosen(rng.Float64())
		spread = rng.Float64()
	}
	for i, in := range s.injections {
		if in.match != nil && !in.match(c) {
			continue
		}
		in.left--
		if in.left == 0 {
			s.injections = slices.Delete(s.injections, i, i+1)
		}
		return in.fault, spread
	}
	return fault, spread
}

// random returns the generator of a call. It depends on the seed, on the call and
// on the number of equal calls before, not on concurrent calls: so a run with
// several callers can be repeated. A send is identified by its local_id: a reply's
// convo_id depends on the order of the openers.
func (s *Sandbox) random(c Call) *rand.Rand {
	h := fnv.New64a()
	io.WriteString(h, c.Method+" "+c.Path+"\n")
	var send struct {
		LocalID string `json:"local_id"`
	}
	if json.Unmarshal(c.Body, &send) == nil && send.LocalID != "" {
		io.WriteString(h, send.LocalID)
	} else {
		h.Write(c.Body)
	}
	equal := h.Sum64()
	s.calls[equal]++
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(s.calls[equal])))
	return rand.New(rand.NewPCG(s.o.Seed, h.Sum64()))
}

// chosen is the fault on which a number from 0 to 1 falls.
func (s *Sandbox) chosen(x float64) Fault {
	for _, f := range Faults() {
		x -= s.o.Chance[f]
		if x < 0 {
			return f
		}
	}
	return ""
}

// trigger returns the fault, among those that are wanted, that one of the
// addresses triggers and has not used up.
func (s *Sandbox) trigger(addresses []string, localID string, wanted func(row) bool) Fault {
	for _, address := range addresses {
		local, _, _ := strings.Cut(strings.ToLower(address), "@")
		name, number, limited := strings.Cut(local, "+")
		row, ok := s.faults[Fault(name)]
		if !ok || !wanted(row) {
			continue
		}
		if !limited {
			return row.fault
		}
		times, err := strconv.Atoi(number)
		if err != nil {
			continue // an ordinary address
		}
		key := localID + " " + name
		if localID == "" {
			key = " " + address
		}
		if s.triggered[key] < times {
			s.triggered[key]++
			return row.fault
		}
	}
	return ""
}

func ofSends(r row) bool   { return r.look == nil }
func ofLookUps(r row) bool { return r.look != nil }
