package sandbox_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"heyrelay/internal/sandbox"
)

func TestRateInAnySixtySeconds(t *testing.T) {
	const limit = 20
	at := clock{start}
	s := sandbox.New(sandbox.Options{RatePerMinute: limit, Now: at.now})
	rng := rand.New(rand.NewPCG(1, 2))
	var taken []time.Time
	for range 2000 {
		at.t = at.t.Add(time.Duration(rng.IntN(4000)) * time.Millisecond)
		within := 0
		for _, one := range taken {
			if at.t.Sub(one) < time.Minute {
				within++
			}
		}
		status, _ := ask(s, "GET", "/v1/inboxes", "")
		if want := map[bool]int{true: 200, false: 429}[within < limit]; status != want {
			t.Fatalf("%v: %d after %d calls in a minute", at.t.Sub(start), status, within)
		}
		if status == 200 {
			taken = append(taken, at.t)
		}
	}
	if s.Stats().Throttled == 0 {
		t.Error("the limit was never reached")
	}
}

func TestRateIsEachTeams(t *testing.T) {
	s := sandbox.New(sandbox.Options{RatePerMinute: 1, Teams: []sandbox.Team{sandbox.DemoTeam(), otherTeam()}})
	ask(s, "GET", "/v1/inboxes", "")
	if status, _ := ask(s, "GET", "/v1/inboxes", ""); status != 429 {
		t.Errorf("the second call: %d", status)
	}
	if status, _, _ := request(s, "GET", "/v1/inboxes", "", "Authorization: Bearer other-key"); status != 200 {
		t.Errorf("the other team's first call: %d", status)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		option time.Duration
		want   string
	}{{0, ""}, {7 * time.Second, "7"}} {
		s := sandbox.New(sandbox.Options{RatePerMinute: 1, RetryAfter: test.option})
		ask(s, "GET", "/v1/inboxes", "")
		_, header, _ := request(s, "GET", "/v1/inboxes", "", "Authorization: Bearer "+sandbox.DemoAPIKey)
		if got := header.Get("Retry-After"); got != test.want {
			t.Errorf("Retry-After is %q, not %q", got, test.want)
		}
	}
}
