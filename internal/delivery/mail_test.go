package delivery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/smarthost/smarthosttest"
	"heyrelay/internal/spool"
)

const ascii = "Subject: Invoice\r\nBcc: eve@example.com\r\n\r\nSee it.\r\n"

// What a message needs of a server is decided by its octets and addresses, not by what a client
// declared.
func TestLetter(t *testing.T) {
	everything := smarthost.Offers{EightBit: true, UTF8: true, DSN: true}
	for _, c := range []struct {
		name           string
		raw, from, to  string
		can            smarthost.Offers
		eightBit, utf8 bool
	}{
		{name: "ASCII", raw: ascii, can: everything},
		{name: "an 8-bit body", raw: ascii + "Gr\xfc\xdfe\r\n", can: everything, eightBit: true},
		{name: "an 8-bit header", raw: "X: \xfc\r\n\r\n", can: everything, eightBit: true, utf8: true},
		{name: "an 8-bit header to an old server", raw: "X: \xfc\r\n\r\n", eightBit: true},
		{name: "an 8-bit field that is taken out", raw: "Bcc: \xfc@example.com\r\n\r\n", can: everything},
		{name: "a UTF-8 recipient", raw: ascii, to: "jürgen@example.com", utf8: true},
		{name: "a UTF-8 sender", raw: ascii, from: "jürgen@example.com", utf8: true},
	} {
		task := &spool.Task{Sender: c.from, Cc: []string{c.to}, EnvelopeID: "QQ", Return: "FULL"}
		task.DSN = []spool.DSN{{Notify: []string{"DELAY"}, Original: "rfc822;a@example.com"}}
		m := messageFor(task, []byte(c.raw), c.can)
		if m.EightBit != c.eightBit || m.UTF8 != c.utf8 || m.From != c.from || m.To.Path != c.to {
			t.Errorf("%s: %+v", c.name, m)
		}
		if m.EnvelopeID != "QQ" || m.Return != "FULL" || m.To.Notify[0] != "DELAY" || m.To.Original != task.DSN[0].Original {
			t.Errorf("%s: what the client wants to know is %+v", c.name, m)
		}
		if strings.Contains(string(m.Text), "Bcc") {
			t.Errorf("%s: it names blind recipients:\n%s", c.name, m.Text)
		}
	}
}

// mailLane is a lane with one message for a smarthost, and the set-up that sends it there.
func mailLane(dial func() (net.Conn, error)) (*lane, func(*Options, *Setup)) {
	l := newLane()
	l.task.Team = spool.SmarthostTeam("support")
	l.task.Route = "support"
	l.task.To = []string{"ann@example.com"}
	l.content = spool.Content{Raw: []byte(ascii)}
	return l, func(_ *Options, s *Setup) {
		server := &smarthost.Server{Hostname: "relay.example.com", Address: "mail.example.com:25"}
		server.Dial = func(context.Context, string, string) (net.Conn, error) { return dial() }
		s.Teams[l.task.Team] = Team{Server: server, Rate: 1000, Concurrency: 4}
	}
}

// A message that no server can take as it is fails with the reason, and is not changed.
func TestWhatAServerCannotTake(t *testing.T) {
	host := smarthosttest.ServeRaw(t, func(r *smarthosttest.Raw) {
		r.Answer = func(command string) string {
			if strings.HasPrefix(command, "EHLO") {
				return "250 an old server"
			}
			return ""
		}
	})
	server := &smarthost.Server{Hostname: "relay.example.com", Address: host.Address}
	for raw, want := range map[string]string{
		ascii + "\xfc\r\n": "does not offer 8BITMIME",
		ascii:              "does not offer SMTPUTF8",
	} {
		r := &result{task: &spool.Task{Team: "smarthost:support", To: []string{"jürgen@example.com"}}}
		if strings.Contains(want, "8BITMIME") {
			r.task.To = []string{"ann@example.com"}
		}
		l := newLane()
		l.content = spool.Content{Raw: []byte(raw)}
		(&Scheduler{o: Options{Store: l}}).mail(t.Context(), server, r)
		if r.problem == nil || r.problem.Class != heymarket.Invalid || !strings.Contains(r.problem.Reason, want) {
			t.Errorf("%+v, want one that says %s", r.problem, want)
		}
	}
	if n := len(host.Contents()); n > 0 {
		t.Errorf("%d messages arrived", n)
	}
}

// While a smarthost cannot be reached, its messages are tried again with growing pauses, until they
// expire; the API is not called.
func TestAnUnreachableSmarthost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		l, change := mailLane(func() (net.Conn, error) {
			dials++
			return nil, errors.New("connection refused")
		})
		a := &answers{list: nil}
		runWith(t, l, a, 48*time.Hour, change)
		last := l.outcomes[len(l.outcomes)-1]
		if last.State != spool.Failed || !strings.HasPrefix(last.Reason, "expired after 2") || last.Unknown {
			t.Errorf("the last of %d outcomes is %+v", len(l.outcomes), last)
		}
		if dials < 10 || dials > 100 || len(a.calls) > 0 {
			t.Errorf("%d connections, %d calls", dials, len(a.calls))
		}
	})
}

// Of a reply that is too long for people, the beginning is kept.
func TestALongReply(t *testing.T) {
	refusal := &smtp.SMTPError{Code: 550, Message: strings.Repeat("nö ", 1<<18)}
	e := mailProblem("mail.example.com:25", smarthost.Refused{Err: fmt.Errorf("DATA: %w", refusal)})
	if e.Class != heymarket.Invalid || len(e.Reason) > 1100 || !utf8.ValidString(e.Reason) ||
		!strings.HasPrefix(e.Reason, "550 nö nö") || !strings.HasSuffix(e.Reason, "in reply to DATA)") {
		t.Errorf("%v, %d octets: %.100q", e.Class, len(e.Reason), e.Reason)
	}
}

// A message whose source is gone fails, and no connection is made.
func TestMailWithoutContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, change := mailLane(func() (net.Conn, error) { panic("a connection") })
		l.content = spool.Content{}
		runWith(t, l, &answers{}, time.Minute, change)
		if o := l.outcomes; len(o) != 1 || o[0].State != spool.Failed || !strings.Contains(o[0].Reason, "no longer in") {
			t.Errorf("%+v", o)
		}
	})
}

// A transaction with a smarthost may take longer than a call of the API; its lease outlasts it.
func TestLeaseOfMail(t *testing.T) {
	s := Setup{Timeout: time.Second}
	before := s.lease()
	s.Teams = map[string]Team{"smarthost:support": {Server: &smarthost.Server{}}}
	if got := s.lease(); got <= mailLimit || before > time.Hour/10 {
		t.Errorf("%v, and %v without a smarthost", got, before)
	}
}
