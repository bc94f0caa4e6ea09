package delivery

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/spool"
)

// With queued_false: fail even the probe of a held route fails: the API
// took it, and it must not be sent again by itself.
func TestUnqueuedProbeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := newLane(), &answers{
			list: []func(*http.Request) (*http.Response, error){answer(200, `{"id":9,"convo_id":7,"queued":false}`)},
		}
		l.task.Probe = true
		runWith(t, l, a, time.Hour, func(_ *Options, s *Setup) {
			team := s.Teams["shop"]
			team.FailUnqueued = true
			s.Teams["shop"] = team
		})
		if len(a.calls) != 1 {
			t.Errorf("%d calls, want one", len(a.calls))
		}
		if o := l.outcomes[0]; o.State != spool.Failed || o.MessageID != 9 ||
			!strings.Contains(o.Reason, "did not queue it") {
			t.Errorf("%v, message %d: %s", o.State, o.MessageID, o.Reason)
		}
	})
}
