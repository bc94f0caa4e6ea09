package heymarket_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/sandbox"
)

// demo is the secret of the sandbox's demo team.
func demo() []heymarket.Secret {
	return []heymarket.Secret{{ID: sandbox.DemoSecretID, Key: sandbox.DemoSecretKey}}
}

// inSandbox makes a client of s without a network.
func inSandbox(t *testing.T, s *sandbox.Sandbox) *heymarket.Client {
	t.Helper()
	c, err := heymarket.New(heymarket.Options{Secrets: demo(), Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSandbox(t *testing.T) {
	s := sandbox.New(sandbox.Options{RatePerMinute: sandbox.APIRate})
	server := httptest.NewServer(s)
	defer server.Close()
	transport := heymarket.NewTransport()
	defer transport.CloseIdleConnections()
	c, err := heymarket.New(heymarket.Options{BaseURL: server.URL, Secrets: demo(), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()

	inboxes, err := c.Inboxes(ctx)
	if err != nil || fmt.Sprint(inboxes) != "[{202 Support 7 [{55 } {56 }]} {203 Billing 7 [{55 }]}]" {
		t.Error(inboxes, err)
	}
	team, err := c.Team(ctx)
	if err != nil || fmt.Sprint(team) != "{7 Demo [{55 Ada} {56 Grace}]}" {
		t.Error(team, err)
	}
	before := time.Now()
	opened, err := c.Send(ctx, opener("l-1", "to:ann@example.com", "cc:bob@example.com"))
	if err != nil || opened.ID == 0 || opened.ConvoID == 0 || !opened.Queued {
		t.Fatalf("%+v, %v", opened, err)
	}
	if opened.RequestID == "" || opened.Date == "" || opened.Compliance != "" {
		t.Fatalf("%+v", opened)
	}
	reply := opener("l-2")
	reply.ConvTitle = ""
	reply.ConvoID = opened.ConvoID
	replied, err := c.Send(ctx, reply)
	if err != nil || replied.ConvoID != opened.ConvoID || replied.ID == opened.ID {
		t.Errorf("%+v, %v", replied, err)
	}
	again, err := c.Send(ctx, opener("l-1", "to:ann@example.com", "cc:bob@example.com"))
	if err != nil || again.ID != opened.ID {
		t.Errorf("the repeat is %+v, %v", again, err)
	}
	convo, err := c.Conversation(ctx, opened.ConvoID)
	convo.RequestID = ""
	ann := "ann@example.com"
	want := heymarket.Conversation{ID: opened.ConvoID, Inbox: 202, Channel: "email", Status: "open", Target: ann}
	if err != nil || convo != want {
		t.Errorf("%+v, %v", convo, err)
	}
	found, err := c.FindMessage(ctx, "l-2", before.Add(-time.Minute), time.Now().Add(time.Minute), nil, nil)
	if err != nil || !found.Found || found.Message.ID != replied.ID || found.Message.ConvoID != opened.ConvoID {
		t.Errorf("%+v, %v", found, err)
	}
	absent, err := c.FindMessage(ctx, "l-9", before.Add(-time.Minute), time.Now().Add(time.Minute), nil, nil)
	if err != nil || absent.Found || !absent.Complete {
		t.Errorf("%+v, %v", absent, err)
	}
	got := s.Stats()
	got.Calls = 0
	if got != (sandbox.Stats{Accepted: 2, Repeated: 1}) {
		t.Errorf("%+v", got)
	}
}

// verdict is how the client classifies a failure.
type verdict struct {
	class   heymarket.Class
	unknown bool
}

// faultVerdicts are those of the sandbox's faults; the others are no errors.
var faultVerdicts = map[sandbox.Fault]verdict{
	sandbox.TempError:     {heymarket.Again, true},
	sandbox.PermError:     {heymarket.Invalid, false},
	sandbox.Unauthorized:  {heymarket.Denied, false},
	sandbox.Denied:        {heymarket.Forbidden, false},
	sandbox.Timeout:       {heymarket.Again, true},
	sandbox.Conflict:      {heymarket.Conflict, false},
	sandbox.Throttle:      {heymarket.Again, false},
	sandbox.ThrottleFor:   {heymarket.Again, false},
	sandbox.ThrottleUntil: {heymarket.Again, false},
	sandbox.Unavailable:   {heymarket.Again, true},
	sandbox.Switching:     {heymarket.Again, true},
	sandbox.Huge:          {heymarket.Again, true},
	sandbox.TooLarge:      {heymarket.Invalid, false},
	sandbox.Unprocessed:   {heymarket.Invalid, false},
	sandbox.TooEarly:      {heymarket.Again, false},
	sandbox.Teapot:        {heymarket.Again, false},
	sandbox.Redirect:      {heymarket.Redirect, false},
	sandbox.HTML200:       {heymarket.Again, true},
	sandbox.HTML403:       {heymarket.Again, false},
	sandbox.Refused:       {heymarket.Again, false},
	sandbox.DropBefore:    {heymarket.Again, true},
	sandbox.DropAfter:     {heymarket.Again, true},
	sandbox.HalfAnswer:    {heymarket.Again, true},
	sandbox.LateError:     {heymarket.Again, true},
	sandbox.Slow:          {heymarket.Again, true}, // the client waits 30 s
	sandbox.NoID:          {heymarket.Again, true},
}

// faultDelays are the delays that faults ask for.
var faultDelays = map[sandbox.Fault]time.Duration{
	sandbox.Throttle:      9 * time.Second,
	sandbox.ThrottleFor:   time.Minute,
	sandbox.ThrottleUntil: time.Minute,
	sandbox.Unavailable:   time.Second,
}

// TestSandboxFaults checks how the client classifies each fault, and that it never
// takes a message that was sent for one that was not.
func TestSandboxFaults(t *testing.T) {
	for _, f := range sandbox.Faults() {
		synctest.Test(t, func(t *testing.T) {
			s := sandbox.New(sandbox.Options{Slow: time.Minute, RetryAfter: 9 * time.Second})
			c := inSandbox(t, s)
			sent, err := c.Send(t.Context(), opener("l-1", "to:"+string(f)+"@example.com"))
			accepted := len(s.Messages()) > 0
			want, wrong := faultVerdicts[f]
			if !wrong {
				if err != nil || !accepted || sent.ID != s.Messages()[0].ID {
					t.Errorf("%s: %+v, %v", f, sent, err)
				}
				return
			}
			e := failure(t, err)
			if e.Class != want.class || e.Unknown != want.unknown {
				t.Errorf("%s: %v, unknown %t: %v", f, e.Class, e.Unknown, e)
			}
			if accepted && !e.Unknown {
				t.Errorf("%s: accepted, and the client takes it for not sent", f)
			}
			if e.RetryAfter != faultDelays[f] {
				t.Errorf("%s: retry after %v", f, e.RetryAfter)
			}
			if (e.Status != 0) != (e.RequestID != "") {
				t.Errorf("%s: request id %q with status %d", f, e.RequestID, e.Status)
			}
		})
	}
}

func TestSandboxAnswersOfNote(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	c := inSandbox(t, s)
	for to, good := range map[string]func(heymarket.Sent) bool{
		"notqueued":  func(s heymarket.Sent) bool { return !s.Queued && s.ConvoID > 0 },
		"noconvo":    func(s heymarket.Sent) bool { return s.Queued && s.ConvoID == 0 },
		"compliance": func(s heymarket.Sent) bool { return s.Compliance == `{"flagged":true}` },
	} {
		if sent, err := c.Send(t.Context(), opener(to, "to:"+to+"@example.com")); err != nil || !good(sent) {
			t.Errorf("%s: %+v, %v", to, sent, err)
		}
	}
}

// TestSandboxTokens: the client's tokens stay valid over time, and it finds the
// secret that works.
func TestSandboxTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{Latency: 29 * time.Second})
		secrets := append([]heymarket.Secret{{ID: "revoked", Key: "k3y"}}, demo()...)
		c, err := heymarket.New(heymarket.Options{Secrets: secrets, Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if _, err := c.Inboxes(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.Stats().Unauthorized; n != 1 {
			t.Errorf("%d calls were refused, not one", n)
		}
	})
}

// TestSandboxHistory pages through more messages than a page has.
func TestSandboxHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, modes := range []sandbox.Modes{{}, {DateCursor: true}} {
			s := sandbox.New(sandbox.Options{Modes: modes, Latency: 120 * time.Millisecond})
			c := inSandbox(t, s)
			begun := time.Now()
			for i := range 250 {
				if _, err := c.Send(t.Context(), opener(fmt.Sprint("l-", i), "to:ann@example.com")); err != nil {
					t.Fatal(err)
				}
			}
			for look, found := range map[string]bool{"l-0": true, "l-99": true, "l-249": true, "l-250": false} {
				got, err := c.FindMessage(t.Context(), look, begun.Add(-time.Minute), time.Now(), nil, nil)
				if err != nil || got.Found != found || !got.Complete || got.Pages > 4 || found && got.Message.LocalID != look {
					t.Errorf("%s: %+v, %v", look, got, err)
				}
			}
		}
	})
}

// TestSandboxListsLate: a search right after a send proves nothing, even if it is
// complete. The caller must wait.
func TestSandboxListsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{Modes: sandbox.Modes{ListLag: time.Minute}})
		c := inSandbox(t, s)
		begun := time.Now()
		if _, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com")); err != nil {
			t.Fatal(err)
		}
		search := func() bool {
			got, err := c.FindMessage(t.Context(), "l-1", begun.Add(-time.Minute), time.Now(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			return got.Found
		}
		if search() {
			t.Error("listed at once")
		}
		<-time.After(time.Minute)
		if !search() {
			t.Error("not listed after a minute")
		}
	})
}

// TestSandboxTakesMembersEitherWay: as ids and as objects.
func TestSandboxTakesMembersEitherWay(t *testing.T) {
	s := sandbox.New(sandbox.Options{Modes: sandbox.Modes{MemberObjects: true}})
	inboxes, err := inSandbox(t, s).Inboxes(t.Context())
	if err != nil || inboxes[0].Members[1] != (heymarket.Member{ID: 56, Name: "Grace"}) {
		t.Error(inboxes, err)
	}
}

// TestSandboxRefuses: a refusal contains the reason that the sandbox gives.
func TestSandboxRefuses(t *testing.T) {
	c := inSandbox(t, sandbox.New(sandbox.Options{}))
	wrongCreator, bothWays := opener("l-1", "to:ann@example.com"), opener("l-2", "to:ann@example.com")
	noPrefix := opener("l-3", "ann@example.com")
	wrongCreator.CreatorID = 1
	bothWays.ConvoID = 9001
	for want, email := range map[string]heymarket.Email{
		"403: Denied: field creator_id: not a member of the inbox":                                             wrongCreator,
		"400: bad_data: field targets: does not apply with convo_id":                                           bothWays,
		`400: bad_data: field targets: "ann@example.com" must begin with to: or cc:, as in to:ann@example.com`: noPrefix,
		"400: bad_data: field targets: is missing, and so is convo_id":                                         opener("l-4"),
	} {
		if _, err := c.Send(t.Context(), email); err == nil || err.Error() != "the API returned "+want {
			t.Errorf("%v, not %s", err, want)
		}
	}
}
