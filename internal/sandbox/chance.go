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

// injection is a fault that a test asked for.
type injection struct {
	left  int // calls; under 0: no end
	fault Fault
	match func(Call) bool
}

// destiny is what a call has before itself, whatever it asks: the fault of a
// test, else one by chance; and its share of Options.Spread.
func (s *Sandbox) destiny(c Call) (fault Fault, lot float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.o.Chance) > 0 || s.o.Spread > 0 {
		rng := s.dice(c)
		fault, lot = s.drawn(rng.Float64()), rng.Float64()
	}
	for i, in := range s.injections {
		if in.match != nil && !in.match(c) {
			continue
		}
		if in.left--; in.left == 0 {
			s.injections = slices.Delete(s.injections, i, i+1)
		}
		return in.fault, lot
	}
	return fault, lot
}

// dice throws for a call. The throw hangs on the seed, on what is called and on
// how often that was called before, not on what others do at the same time: so a
// run with several callers can be repeated. A send is known by its local_id: a
// reply's convo_id hangs on who came first.
func (s *Sandbox) dice(c Call) *rand.Rand {
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

// drawn is the fault on which a number from 0 to 1 falls.
func (s *Sandbox) drawn(x float64) Fault {
	for _, f := range Faults() {
		if x -= s.o.Chance[f]; x < 0 {
			return f
		}
	}
	return ""
}

// called finds the fault that one of the addresses calls and has not used up.
func (s *Sandbox) called(addresses []string, localID string) Fault {
	for _, address := range addresses {
		local, _, _ := strings.Cut(strings.ToLower(address), "@")
		name, number, limited := strings.Cut(local, "+")
		if _, ok := s.faults[Fault(name)]; !ok {
			continue
		}
		if !limited {
			return Fault(name)
		}
		times, err := strconv.Atoi(number)
		if err != nil {
			continue // an address like any other
		}
		key := localID + " " + name
		if localID == "" {
			key = " " + address
		}
		if s.magic[key] < times {
			s.magic[key]++
			return Fault(name)
		}
	}
	return ""
}
