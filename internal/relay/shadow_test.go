package relay

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/smarthost/smarthosttest"
	"heyrelay/internal/spool"
)

const shadowRoute = `
hostname: relay.example.com
listeners: [{address: "127.0.0.1:0"}]
teams: {shop: {api_key: "${KEY}"}}
routes: [{inbox: 202, creator_id: 55, shadow: {next: "smtp://%s"}}]
`

// shadowed is a relay that passes its mail on.
type shadowed struct {
	t     *testing.T
	next  *smarthosttest.Raw
	api   *sandbox.Sandbox
	store spool.Store
	log   *recorder
	relay *Relay
}

// newShadowed starts a relay whose next hop answers as answer says, with more configuration.
func newShadowed(t *testing.T, answer func(command string) string, more string) *shadowed {
	t.Helper()
	s := &shadowed{t: t, api: sandbox.New(sandbox.Options{}), store: open(t), log: &recorder{}}
	s.next = smarthosttest.ServeRaw(t, func(r *smarthosttest.Raw) { r.Answer = answer })
	s.run(parse(t, fmt.Sprintf(shadowRoute, s.next.Address)+more))
	return s
}

func (s *shadowed) run(cfg *config.Config) {
	r, err := New(cfg, Parts{Store: s.store, Sink: s.log, Transport: s.api, Random: rand.Reader})
	if err != nil {
		s.t.Fatal(err)
	}
	s.relay = r
	stop := run(s.t, r)
	s.t.Cleanup(func() {
		stop()
		if n := s.api.Stats().Calls; n > 0 {
			s.t.Errorf("the API was called %d times", n)
		}
	})
}

// dialog sends lines and returns the replies, each as its lines say.
func (s *shadowed) dialog(lines ...string) (replies []string) {
	s.t.Helper()
	c, err := textproto.Dial("tcp", s.relay.Addrs()[0].String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	for _, line := range append([]string{""}, lines...) {
		if line != "" {
			_, err := c.W.WriteString(line + "\r\n")
			if err == nil {
				err = c.W.Flush()
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}
		reply := ""
		for {
			l, err := c.ReadLine()
			if err != nil {
				s.t.Fatalf("after %q: %v", line, err)
			}
			reply += l + "\n"
			if len(l) < 4 || l[3] != '-' {
				break
			}
		}
		replies = append(replies, strings.TrimSuffix(reply, "\n"))
	}
	return replies[1:]
}

// send sends a message by BDAT, which may contain any octets, and returns the last reply.
func (s *shadowed) send(content string) string {
	s.t.Helper()
	all := s.dialog("EHLO app", "MAIL FROM:<app@example.com>", "RCPT TO:<ann@example.com>",
		fmt.Sprintf("BDAT %d LAST\r\n%s", len(content), strings.TrimSuffix(content, "\r\n")))
	return all[3]
}

// records are what was recorded, oldest first.
func (s *shadowed) records() []spool.Entry {
	s.t.Helper()
	list, err := s.store.(spool.Reader).List(s.t.Context(), spool.Filter{})
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// The client gets the next hop's replies as they are: to the sender, to each recipient and
// to the message, with all their lines, and without an enhanced code where there is none. None counts
// as a fault of our own.
func TestShadowRepliesAreTheNextHops(t *testing.T) {
	answers := map[string]string{
		"RCPT TO:<gone@example.com>":                "550-5.1.1 nobody\r\n550 5.1.1 of that name",
		"RCPT TO:<grey@example.com>":                "450 greylisted",
		"RCPT TO:<full@example.com>":                "452 4.3.1 no space",
		"MAIL FROM:<bad@example.com> BODY=8BITMIME": "553 5.7.1 not you",
		".": "250-2.0.0 Ok: queued\r\n250 2.0.0 as 4F2A",
	}
	s := newShadowed(t, func(command string) string { return answers[command] }, "")
	got := s.dialog("EHLO app", "MAIL FROM:<bad@example.com>", "MAIL FROM:<app@example.com>",
		"RCPT TO:<gone@example.com>", "RCPT TO:<grey@example.com>", "RCPT TO:<full@example.com>",
		"RCPT TO:<ann@example.com>", "DATA",
		"Subject: x\r\nTo: ann@example.com\r\n\r\nx\r\n.")
	want := []string{
		"553 5.7.1 not you", "250 2.0.0 Sender ok", "550-5.1.1 nobody\n550 5.1.1 of that name", "450 greylisted",
		"452 4.3.1 no space", "250 2.0.0 Recipient <ann@example.com> ok", "354 End data with <CR><LF>.<CR><LF>",
		"250-2.0.0 Ok: queued\n250 2.0.0 as 4F2A",
	}
	if !slices.Equal(got[1:], want) {
		t.Errorf("%q, want %q", got[1:], want)
	}
	s.log.mu.Lock()
	for _, e := range s.log.all {
		if e.Enhanced != "" {
			t.Errorf("%q counts as a fault of our own: %s", e.Reason, e.Enhanced)
		}
	}
	s.log.mu.Unlock()
	r := s.records()
	if len(r) != 1 || r[0].State != "shadowed" || !slices.Equal(r[0].To, []string{"ann@example.com"}) ||
		!strings.HasSuffix(r[0].Reason, " replied 250 2.0.0 Ok: queued 2.0.0 as 4F2A") {
		t.Errorf("recorded %+v", r)
	}
}

// A reply that is too long for people goes to the client whole, and its beginning is recorded.
func TestShadowOfALongReply(t *testing.T) {
	long := strings.Repeat("250-"+strings.Repeat("x", 400)+"\r\n", 10) + "250 Ok"
	s := newShadowed(t, func(command string) string { return map[string]string{".": long}[command] }, "")
	if got, want := s.send("Subject: x\r\n\r\nx\r\n"), strings.ReplaceAll(long, "\r\n", "\n"); got != want {
		t.Errorf("the client gets %q", got)
	}
	if r := s.records(); len(r) != 1 || len(r[0].Reason) > 1200 || !strings.HasSuffix(r[0].Reason, "…") {
		t.Errorf("recorded %+v", r)
	}
}

// A message that the next hop refuses is refused, with its reply, and not recorded.
func TestShadowMessageRefused(t *testing.T) {
	for _, reply := range []string{"554 5.6.0 spam", "451-4.3.0 busy\r\n451 4.3.0 come back"} {
		s := newShadowed(t, func(command string) string {
			if command == "." {
				return reply
			}
			return ""
		}, "")
		want := strings.ReplaceAll(reply, "\r\n", "\n")
		if got := s.send("Subject: x\r\n\r\nx\r\n"); got != want || len(s.records()) > 0 {
			t.Errorf("%q, want %q; recorded %+v", got, want, s.records())
		}
		if lines := s.log.lines(); !strings.Contains(lines, "(the next hop's reply)") {
			t.Errorf("the log does not say whose reply it is: %s", lines)
		}
	}
}

var oneTrace = regexp.MustCompile(`\AReceived: from app \(\[127\.0\.0\.1\]\)\r\n` +
	`\tby relay\.example\.com \(heyrelay\) ` +
	`with ESMTP id \w{16}\r\n\tfor <ann@example\.com>; [^\r\n]+\r\n`)

// Whatever a client sends arrives at the next hop byte for byte, behind one Received field.
func TestShadowOctets(t *testing.T) {
	s := newShadowed(t, nil, "")
	seed := uint64(time.Now().UnixNano())
	random := mathrand.New(mathrand.NewPCG(seed, 0))
	parts := []string{"\r\n", "\r", "\n", "..", ".a", "\r\n.", "\x00", "\xff\x80", "Subject: x\r\n", "From x", " "}
	for n := range 150 {
		content := "X-N: " + fmt.Sprint(n) + "\r\n"
		for range random.IntN(12) {
			content += parts[random.IntN(len(parts))]
		}
		content += "a\r\n"
		if reply := s.send(content); reply != fmt.Sprintf("250 2.0.0 taken as %d", n+1) {
			t.Fatalf("seed %d: %q: %s", seed, content, reply)
		}
		all := s.next.Contents()
		got := all[len(all)-1]
		trace := oneTrace.Find(got)
		if trace == nil || string(got[len(trace):]) != content {
			t.Fatalf("seed %d: sent %q, received %q", seed, content, got)
		}
	}
	if n := len(s.records()); n != 100 { // the limit of a list
		t.Errorf("%d records", n)
	}
}

// A line that a lenient server could take for the end of the message reaches none in that
// form, so that no other transaction can be hidden in one.
func TestShadowSmuggling(t *testing.T) {
	s := newShadowed(t, nil, "")
	early := regexp.MustCompile(`[\r\n]\x00*\.\x00*[\r\n]`)
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\r", "\r\n.\n", "\r.\r", "\r\n\x00.\r\n", "\r\n.\x00\r\n",
	} {
		reply := s.send("Subject: x\r\n\r\nhello" + end + smuggled)
		if strings.HasPrefix(reply, "554 5.6.0 ") && strings.Contains(end, "\x00") {
			continue
		}
		if !strings.HasPrefix(reply, "250") {
			t.Errorf("%q: %s", end, reply)
		}
	}
	for _, content := range s.next.Contents() {
		sent := bytes.ReplaceAll(content, []byte("\r\n."), []byte("\r\n..")) // as it was on the way
		if early.Match(sent) {
			t.Errorf("%q", content)
		}
	}
	for _, c := range s.next.Commands() {
		if strings.Contains(c, "evil") {
			t.Errorf("executed %q", c)
		}
	}
}

// What heyrelay itself would refuse is passed on all the same, as the client spelled it, and
// recorded with the reason.
func TestShadowPassesWhatIsRefused(t *testing.T) {
	s := newShadowed(t, nil, "")
	attachment := "To: ann@example.com\r\nSubject: file\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n"
	if reply := s.send(attachment); !strings.HasPrefix(reply, "250") {
		t.Error(reply)
	}
	s.dialog("EHLO app", "MAIL FROM:<app@example.com>", "RCPT TO:<root>", "RCPT TO:<\"a b\"@example.com>",
		"RCPT TO:<ann@example.com>", "DATA", "Subject: some\r\nTo: ann@example.com\r\n\r\nx\r\n.")
	s.dialog("EHLO app", "MAIL FROM:<app@example.com>", "RCPT TO:<postmaster>", "DATA", "Subject: all\r\n\r\nx\r\n.")
	for _, want := range []string{"RCPT TO:<root>", "RCPT TO:<\"a b\"@example.com>", "RCPT TO:<postmaster>"} {
		if !slices.Contains(s.next.Commands(), want) {
			t.Errorf("no %s among %q", want, s.next.Commands())
		}
	}
	var got []string
	for _, r := range s.records() {
		_, refusal, _ := strings.Cut(r.Reason, "; would have been refused: ")
		refusal, _, _ = strings.Cut(refusal, ":")
		got = append(got, fmt.Sprintf("%s %v %s", r.Title, r.To, refusal))
	}
	want := []string{
		"file [ann@example.com] 554 5.6.0 attachments cannot be sent",
		"some [ann@example.com] for some of the recipients, 553 5.1.3 Invalid recipient \"a b@example.com\"",
		"all [postmaster] 550 5.1.1 \"postmaster\" is a local address, and this relay has no alias for it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if raw, err := s.store.(spool.Reader).Content(t.Context(), s.records()[0].QueueID); err != nil ||
		!bytes.HasSuffix(raw.Raw, []byte(attachment)) {
		t.Errorf("its source is %q, %v", raw.Raw, err)
	}
}

// A client that declares SMTPUTF8 wherever it is offered gets its mail to a next hop that
// does not offer it, if the addresses are ASCII.
func TestShadowUTF8(t *testing.T) {
	s := newShadowed(t, nil, "")
	got := s.dialog("EHLO app", "MAIL FROM:<app@example.com> SMTPUTF8", "RCPT TO:<jörg@example.com>",
		"RCPT TO:<ann@example.com>", "DATA", "Subject: ü\r\nTo: ann@example.com\r\n\r\nü\r\n.",
		"MAIL FROM:<ü@example.com> SMTPUTF8")
	name := "smtp://" + s.next.Address + " does not offer SMTPUTF8, which this "
	for i, want := range map[int]string{
		2: "553 5.6.7 " + name + "recipient needs", 5: "250 2.0.0 taken as 1", 6: "553 5.6.7 " + name + "sender needs",
	} {
		if got[i] != want {
			t.Errorf("%q, want %q", got[i], want)
		}
	}
	if !slices.Contains(s.next.Commands(), "MAIL FROM:<app@example.com> BODY=8BITMIME") {
		t.Errorf("%q", s.next.Commands())
	}
}

// Where every route has a shadow, DSN is offered, and its parameters reach the next hop.
func TestShadowDSN(t *testing.T) {
	s := newShadowed(t, nil, "")
	got := s.dialog("EHLO app", "MAIL FROM:<app@example.com> RET=HDRS ENVID=x1 SIZE=99",
		"RCPT TO:<ann@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old@example.com")
	if !strings.Contains(got[0], "250-DSN\n") {
		t.Errorf("offered: %q", got[0])
	}
	for _, want := range []string{
		"MAIL FROM:<app@example.com> BODY=8BITMIME RET=HDRS ENVID=x1",
		"RCPT TO:<ann@example.com> NOTIFY=SUCCESS,DELAY ORCPT=RFC822;old@example.com",
	} {
		if !slices.Contains(s.next.Commands(), want) {
			t.Errorf("no %q among %q", want, s.next.Commands())
		}
	}
	if live := parse(t, oneRoute); offersDSN(live) {
		t.Error("DSN is offered on a route that sends, without a smarthost")
	}
}

// fullStore is a spool without room.
type fullStore struct{ spool.Store }

func (fullStore) Accept(context.Context, *spool.Message) (spool.Receipt, error) {
	return spool.Receipt{}, spool.ErrFull
}

// A message that cannot be recorded is passed on all the same.
func TestShadowWithoutRecord(t *testing.T) {
	s := &shadowed{t: t, api: sandbox.New(sandbox.Options{}), store: fullStore{open(t)}, log: &recorder{}}
	s.next = smarthosttest.ServeRaw(t, nil)
	s.run(parse(t, fmt.Sprintf(shadowRoute, s.next.Address)))
	if reply := s.send("Subject: x\r\n\r\nx\r\n"); reply != "250 2.0.0 taken as 1" {
		t.Error(reply)
	}
	if lines := s.log.lines(); !strings.Contains(lines, "error a message was passed on, but not recorded") {
		t.Errorf("logged %s", lines)
	}
}

// A looping message is the one exception: the next hop could be sending it here. It is found also where
// heyrelay would refuse the message for something else.
func TestShadowRefusesLoops(t *testing.T) {
	s := newShadowed(t, nil, "bare_lf: refuse\n")
	again := "Received: from old\r\n\tby relay.example.com (heyrelay) with ESMTP id 1; Thu, 26 Nov 2026 00:00:00 +0000\r\n"
	for to, body := range map[string]string{
		"ann@example.com": "x\r\n", "bob@example.com": "x\ny\r\n", "root": "x\r\n", `"a b"@example.com`: "x\r\n",
	} {
		content := again + "Subject: x\r\n\r\n" + body
		all := s.dialog("EHLO app", "MAIL FROM:<app@example.com>", "RCPT TO:<"+to+">",
			fmt.Sprintf("BDAT %d LAST\r\n%s", len(content), strings.TrimSuffix(content, "\r\n")))
		if !strings.HasPrefix(all[3], "554 5.4.6 mail loop") {
			t.Errorf("to %s: %s", to, all[3])
		}
	}
	if len(s.next.Contents()) > 0 || len(s.records()) > 0 {
		t.Error("it was passed on, or recorded")
	}
}

// Without the next hop, the reply is temporary, and nothing is kept.
func TestShadowWithoutNextHop(t *testing.T) {
	t.Run("unreachable", func(t *testing.T) {
		s := &shadowed{t: t, api: sandbox.New(sandbox.Options{}), store: open(t), log: &recorder{}}
		s.run(parse(t, fmt.Sprintf(shadowRoute, "127.0.0.1:1")))
		got := s.dialog("EHLO app", "MAIL FROM:<app@example.com>")[1]
		const want = "451 4.4.1 The connection to smtp://127.0.0.1:1 failed, try again later"
		if got != want || !strings.Contains(s.log.lines(), "error the next hop smtp://127.0.0.1:1 failed") {
			t.Errorf("%q", got)
		}
	})
	for _, at := range []string{"RCPT", "."} {
		t.Run("cut at "+at, func(t *testing.T) {
			s := newShadowed(t, func(command string) string {
				if strings.HasPrefix(command, at) {
					return smarthosttest.Cut
				}
				return ""
			}, "")
			got := s.dialog("EHLO app", "MAIL FROM:<app@example.com>", "RCPT TO:<ann@example.com>")
			if at == "." {
				got = append(got, s.send("Subject: x\r\n\r\nx\r\n"))
			}
			if last := got[len(got)-1]; !strings.HasPrefix(last, "451 4.4.1 The connection to ") || len(s.records()) > 0 {
				t.Errorf("%q, recorded %+v", last, s.records())
			}
		})
	}
}

// What is recorded threads as it would have, and is never sent: not when the key is removed,
// either. Then mail flows, and opens the conversation that its thread never had.
func TestShadowEnds(t *testing.T) {
	api := sandbox.New(sandbox.Options{})
	store := open(t)
	next := smarthosttest.ServeRaw(t, nil)
	sent := sink{events.Sent, make(chan events.Event, 1)}
	relay := func(cfg string) (r *Relay, stop func()) {
		r, err := New(parse(t, cfg), Parts{Store: store, Sink: sent, Transport: api, Random: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		return r, run(t, r)
	}
	s := &shadowed{t: t, store: store}
	var stop func()
	s.relay, stop = relay(fmt.Sprintf(shadowRoute, next.Address))
	mail := func(id, cites string) {
		reply := s.send("To: ann@example.com\r\nSubject: x\r\nMessage-ID: <" + id + "@app>\r\nIn-Reply-To: <" + cites +
			"@app>\r\n\r\nx\r\n")
		if !strings.HasPrefix(reply, "250") {
			t.Fatal(reply)
		}
	}
	mail("one", "none")
	mail("two", "one")
	stop()
	first := s.records()[0].QueueID
	d, err := store.(spool.Reader).Show(t.Context(), s.records()[1].QueueID)
	if err != nil || !d.Requests[0].Joined || d.Requests[0].Opener != first {
		t.Errorf("the reply is recorded as %+v, %v", d.Requests, err)
	}
	if n := api.Stats().Calls; n > 0 {
		t.Errorf("the API was called %d times", n)
	}
	s.relay, stop = relay(oneRoute)
	mail("three", "two")
	<-sent.got
	stop()
	const targets = `"targets":["to:ann@example.com"]`
	if all := api.Messages(); len(all) != 1 || !strings.Contains(string(all[0].Request), targets) {
		t.Errorf("sent %+v", all)
	}
}
