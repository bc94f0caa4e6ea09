package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

var number = regexp.MustCompile(`soak-(\d+)\.`)

// arrived counts how often each message reached the API.
func (s *soak) arrived() map[int]int {
	s.t.Helper()
	times := map[int]int{}
	for _, m := range s.api.Messages() {
		var request struct {
			RawText string   `json:"raw_text"`
			Targets []string `json:"targets"`
		}
		if err := json.Unmarshal(m.Request, &request); err != nil {
			s.t.Fatal(err)
		}
		if slices.Contains(request.Targets, "to:"+smuggled) {
			s.t.Errorf("a message was smuggled: %.500s", m.Request)
		}
		if found := number.FindStringSubmatch(request.RawText); found != nil {
			i, _ := strconv.Atoi(found[1]) // digits
			times[i]++
		}
	}
	return times
}

// compare holds what arrived against the spool, and the spool against what was acknowledged.
func (s *soak) compare() {
	s.t.Helper()
	ctx := context.Background()
	store, err := sqlite.Open(ctx, s.spool(), sqlite.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := store.Check(ctx); err != nil {
		s.t.Error(err)
	}
	entries, err := store.List(ctx, spool.Filter{Limit: 10_000_000})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		s.t.Error(err)
	}
	s.compareEach(entries)
	s.ledger()
}

func (s *soak) compareEach(entries []spool.Entry) {
	s.t.Helper()
	arrived, states := s.arrived(), map[string][]string{}
	for _, e := range entries {
		states[e.Title] = append(states[e.Title], e.State)
	}
	for i, n := range arrived {
		if n > 1 {
			s.t.Errorf("message %d arrived %d times", i, n)
		}
	}
	for _, i := range s.sent {
		if recipient(i) == forgotten {
			continue // its title is gone
		}
		of := states[fmt.Sprintf("Soak %d", i)]
		if len(of) != 1 {
			s.t.Errorf("message %d is in the spool %d times: %v", i, len(of), of)
			continue
		}
		s.add("messages " + of[0])
		isWanted := of[0] == spool.Sent.String() || of[0] == spool.Flagged.String()
		switch {
		case isWanted && arrived[i] == 0:
			s.t.Errorf("message %d is %s and did not arrive", i, of[0])
		case of[0] == spool.Failed.String() && arrived[i] > 0:
			s.t.Errorf("message %d has failed and arrived", i)
		}
	}
}

// ledger checks that everything that was accepted has ended.
func (s *soak) ledger() {
	s.t.Helper()
	o, err := sqlite.OpenOperator(s.spool())
	if err != nil {
		s.t.Fatal(err)
	}
	defer o.Close()
	stats, err := o.Stats(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range stats {
		n := r.States
		ended := n["sent"] + n["flagged"] + n["failed"] + n["dropped"]
		s.t.Logf("the ledger of %s: %d accepted, %v", r.Route, r.Accepted, n)
		if r.Accepted != ended {
			s.t.Errorf("%s: %d accepted, %d have ended", r.Route, r.Accepted, ended)
		}
	}
}
