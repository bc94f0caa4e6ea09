package chaos

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/relay"
	"heyrelay/internal/sandbox"
	"heyrelay/smtpd"
)

var backlog = flag.Int("backlog", 1500, "how many bulk messages wait")

const rateConfig = `
hostname: relay.example.com
teams: {shop: {api_key: "${KEY}", rate: 500/min}}
routes:
  - {name: newsletter, inbox: 202, creator_id: 55, priority: bulk, match: {sender: bulk@example.com}}
  - {name: tickets, inbox: 202, creator_id: 55, match: {sender: normal@example.com}}
  - {name: passwords, inbox: 202, creator_id: 55, priority: high, match: {sender: high@example.com}}
`

// TestRate has a newsletter wait, and passwords and tickets come in between. The
// budget is used to 98 %, never exceeded, and what is urgent overtakes.
func TestRate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		api := sandbox.New(sandbox.Options{RatePerMinute: sandbox.APIRate, Latency: 50 * time.Millisecond})
		g, store := build(t, dir, rateConfig, api, 1)
		var waits sync.WaitGroup
		for c := range 64 { // many clients, so that they share commits
			waits.Go(func() {
				for i := c; i < *backlog; i += 64 {
					submit(t, g, "bulk", i)
				}
			})
		}
		waits.Wait()
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			if err := g.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		urgent := *backlog / 60
		for i := range urgent {
			<-time.After(3 * time.Second)
			submit(t, g, "high", i)
			if i%2 == 0 {
				submit(t, g, "normal", i)
			}
		}
		lasts := time.Duration(*backlog+2*urgent) * time.Minute / 500
		<-time.After(lasts + time.Minute - time.Since(began))
		stop()
		running.Wait()
		judge(t, api, *backlog+urgent+(urgent+1)/2, urgent)
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func submit(t *testing.T, g *relay.Relay, who string, i int) {
	t.Helper()
	to := fmt.Sprintf("%s%d@example.com", who, i)
	env := &smtpd.Envelope{
		QueueID: fmt.Sprintf("%s-%d", who, i), Client: netip.MustParseAddr("127.0.0.1"), Received: time.Now(),
		From: who + "@example.com", Rcpt: []string{to},
	}
	text := fmt.Sprintf("To: %s\r\nSubject: Mail\r\nMessage-ID: <%s.%d@rate>\r\n\r\n%d\r\n",
		to, who, i, time.Now().UnixNano())
	if r := g.Handle(t.Context(), env, []byte(text)); r.Code != 250 {
		t.Fatalf("%s %d: %d %s", who, i, r.Code, r.Text)
	}
}

// judge reads from what the API accepted, and when, how the budget was used and
// how long the urgent waited.
func judge(t *testing.T, api *sandbox.Sandbox, messages, urgent int) {
	t.Helper()
	all := api.Messages()
	if n := api.Stats().Throttled; n > 0 || len(all) != messages {
		t.Errorf("%d of %d messages, %d calls were answered 429", len(all), messages, n)
	}
	waited := map[string][]time.Duration{}
	for i, m := range all {
		if j := i + sandbox.APIRate; j < len(all) && all[j].Accepted.Sub(m.Accepted) < time.Minute {
			t.Errorf("501 messages within %v", all[j].Accepted.Sub(m.Accepted))
			break
		}
		var r struct {
			RawText string   `json:"raw_text"`
			Targets []string `json:"targets"`
		}
		if err := json.Unmarshal(m.Request, &r); err != nil {
			t.Fatal(err)
		}
		var nanos int64
		if _, err := fmt.Sscan(r.RawText, &nanos); err != nil {
			t.Fatal(err)
		}
		local, _, _ := strings.Cut(strings.TrimPrefix(r.Targets[0], "to:"), "@")
		who := strings.TrimRight(local, "0123456789")
		waited[who] = append(waited[who], m.Accepted.Sub(time.Unix(0, nanos)))
	}
	took := all[len(all)-1].Accepted.Sub(all[0].Accepted)
	used := float64(len(all)-1) / took.Minutes() / sandbox.APIRate
	high, normal := p99(waited["high"]), p99(waited["normal"])
	t.Logf("%d messages in %v: %.1f %% of the budget; at p99 a high one waited %v, a normal one %v",
		len(all), took, 100*used, high, normal)
	if used < .98 {
		t.Errorf("%.1f %% of the budget used", 100*used)
	}
	if high > 2*time.Second || normal > 10*time.Second || len(waited["high"]) != urgent {
		t.Errorf("%d high ones waited %v, normal ones %v", len(waited["high"]), high, normal)
	}
}

func p99(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)*99/100]
}
