package notify_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"heyrelay/internal/events"
	"heyrelay/internal/notify"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/smarthost/smarthosttest"
	"heyrelay/internal/spool"
)

// deliver runs a Notifier until n notices have ended, and returns the outcome of
// them and what was recorded.
func deliver(t *testing.T, host *notify.Mailer, reports ...spool.Report) (became []string, h *recorder) {
	t.Helper()
	var list []spool.Notice
	for i := range reports {
		list = append(list, spool.Notice{ID: int64(i + 1), Way: spool.Mail, Happened: time.Now(), Report: &reports[i]})
	}
	store, h := newNotices(list...), &recorder{}
	n := notify.New(notify.Options{
		Setup: always(notify.Setup{
			Mailer: host,
			Grace:  time.Second,
		}),
		Store:  store,
		Sink:   h,
		Now:    time.Now,
		Jitter: func() float64 { return 0 },
	})
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	for range reports {
		select {
		case said := <-store.outcomes:
			became = append(became, said)
		case <-ctx.Done():
			t.Error("nothing became of a notice")
		}
	}
	stop()
	<-done
	return became, h
}

func TestReportIsSent(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	became, h := deliver(t, mailer(s.Address), failed(""))
	all := s.Taken()
	if became[0] != "done 1" || len(all) != 1 {
		t.Fatalf("%v, %d letters, %+v", became, len(all), h.all())
	}
	got := all[0]
	never := len(got.Rcpt.Notify) == 1 && got.Rcpt.Notify[0] == smtp.DSNNotifyNever
	if got.From != "" || got.To != "app@shop.example" || !never {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(got.Text, "Action: failed\r\n") || !strings.HasSuffix(got.Text, "--\r\n") {
		t.Errorf("text:\n%s", got.Text)
	}
	if e := h.all()[0]; e.Kind != events.Reported || e.QueueID != "Q7" || e.Sender != "app@shop.example" {
		t.Errorf("%+v", e)
	}
}

// A report goes to the sender that the client wrote, and to no other address.
func TestReportsReachTheSender(t *testing.T) {
	for sender, want := range map[string]string{
		`"the app"@shop.example`: "the app@shop.example", // as the server reads it
		`"a\"b"@shop.example`:    `a"b@shop.example`,
		`"app"@shop.example`:     "app@shop.example",
		"app..one.@shop.example": "app..one.@shop.example",
		"app+x=y@[192.0.2.1]":    "app+x=y@[192.0.2.1]",
	} {
		s := smarthosttest.Serve(t, nil)
		report := failed("")
		report.Sender = sender
		became, h := deliver(t, mailer(s.Address), report)
		all := s.Taken()
		if became[0] != "done 1" || len(all) != 1 || all[0].To != want {
			t.Errorf("%s: %v, %+v, %+v", sender, became, all, h.all())
			continue
		}
		header, err := mail.ReadMessage(strings.NewReader(all[0].Text))
		if err != nil {
			t.Fatal(err)
		}
		to, err := header.Header.AddressList("To")
		if err == nil && to[0].Address != want {
			t.Errorf("%s: To is %s", sender, header.Header.Get("To"))
		}
	}
}

// A line that begins with a dot is not the end.
func TestDotsArrive(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	a := failed("")
	a.Raw = append(a.Raw, ".\r\n..\r\n.x\r\n"...)
	deliver(t, mailer(s.Address), a)
	if all := s.Taken(); len(all) != 1 || !strings.Contains(all[0].Text, "\r\nBody\r\n.\r\n..\r\n.x\r\n") {
		t.Errorf("%+v", all)
	}
}

func TestOfWhomNobodyWantsToHearNothingIsSent(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	never, null, bounce := failed(""), failed(""), failed("Content-Type: multipart/report; boundary=x\r\n")
	never.Recipients[0].Notify = []string{"NEVER"}
	null.Sender = ""
	became, h := deliver(t, mailer(s.Address), never, null, bounce)
	if len(s.Taken()) > 0 || len(h.all()) > 0 {
		t.Errorf("%+v, %+v", s.Taken(), h.all())
	}
	for _, b := range became {
		if !strings.HasPrefix(b, "done") {
			t.Errorf("a notice was %s", b)
		}
	}
}

func TestWhatTheServerRefuses(t *testing.T) {
	for _, command := range []string{"MAIL", "RCPT", "DATA"} {
		for code, want := range map[int]string{550: "done 1", 451: "deferred 1", 530: "deferred 1"} {
			s := smarthosttest.Serve(t, smarthosttest.Refusing(command, code, "because of the moon"))
			became, h := deliver(t, mailer(s.Address), failed(""))
			if became[0] != want || len(s.Taken()) > 0 {
				t.Errorf("%s %d: %v", command, code, became)
			}
			e := h.all()[0]
			if e.Kind != events.Error || !strings.Contains(e.Reason, "because of the moon") || e.QueueID != "Q7" {
				t.Errorf("%s %d: %+v", command, code, e)
			}
		}
	}
}

// What is no word about the report has it tried again: nobody there, a server that
// hangs up wherever it likes, one that greets with 554 or speaks something else.
func TestWhatIsTriedAgain(t *testing.T) {
	nobody := raw(t)
	for name, host := range map[string]*notify.Mailer{
		"nobody there":          nobody,
		"greeted with 554":      raw(t, "554 no"),
		"cut after EHLO":        raw(t, "220 hi", "250 hi"),
		"cut after MAIL":        raw(t, "220 hi", "250 hi", "250 ok"),
		"cut within DATA":       raw(t, "220 hi", "250 hi", "250 ok", "250 ok", "354 go"),
		"no SMTP":               raw(t, "HTTP/1.1 400 Bad Request"),
		"an unreachable port":   mailer("127.0.0.1:1"),
		"STARTTLS is a promise": raw(t, "220 hi", "250-hi\r\n250 STARTTLS", "220 go", "250 plaintext"),
	} {
		t.Run(name, func(t *testing.T) {
			became, h := deliver(t, host, failed(""))
			if became[0] != "deferred 1" || h.all()[0].Due.IsZero() {
				t.Errorf("%v: %+v", became, h.all())
			}
		})
	}
}

func TestAddressesInUTF8(t *testing.T) {
	for _, c := range []struct {
		sender, to string // to "" where the server must not be asked
		utf8       bool
	}{
		{"büro@shop.example", "büro@shop.example", true},
		{"büro@shop.example", "", false},
		{"app@bücher.example", "app@bücher.example", true},
		{"app@bücher.example", "app@xn--bcher-kva.example", false},
	} {
		s := smarthosttest.Serve(t, func(s *smarthosttest.Server) { s.EnableSMTPUTF8 = c.utf8 })
		a := failed("")
		a.Sender = c.sender
		became, h := deliver(t, mailer(s.Address), a)
		all := s.Taken()
		switch {
		case c.to == "" && (len(all) > 0 || became[0] != "done 1" || !strings.Contains(h.all()[0].Reason, "SMTPUTF8")):
			t.Errorf("%+v: %v, %+v, %+v", c, became, all, h.all())
		case c.to != "" && (len(all) != 1 || all[0].To != c.to || all[0].Mail.UTF8 != c.utf8):
			t.Errorf("%+v: %+v, %+v", c, all, h.all())
		}
	}
}

// mailer sends to the server at address.
func mailer(address string) *notify.Mailer {
	return &notify.Mailer{Reporter: reporter, Server: &smarthost.Server{Hostname: reporter.Hostname, Address: address}}
}

// raw is a server that writes the given replies to each client, one for each line that it
// reads, and then hangs up.
func raw(t *testing.T, replies ...string) *notify.Mailer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = reply(conn, replies) // the client may have gone
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return mailer(l.Addr().String())
}

// reply writes a greeting, and then a reply for each line that it reads.
func reply(conn net.Conn, replies []string) error {
	lines := bufio.NewReader(conn)
	for i, reply := range replies {
		if i > 0 {
			if _, err := lines.ReadString('\n'); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(conn, reply+"\r\n"); err != nil {
			return err
		}
	}
	return nil
}

// silent is a server that writes the given replies, one for each line that it reads,
// and then nothing more, until hangUp. reached is closed when it falls silent.
func silent(t *testing.T, replies ...string) (m *notify.Mailer, reached chan struct{}, hangUp func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reached = make(chan struct{})
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if err := reply(conn, replies); err != nil {
			return
		}
		close(reached)
		<-over
	}()
	hangUp = sync.OnceFunc(func() {
		close(over)
		_ = l.Close()
		<-done
	})
	t.Cleanup(hangUp)
	return mailer(l.Addr().String()), reached, hangUp
}

// A server that falls silent, at whatever point, does not keep Run beyond its grace:
// the attempt is cut, and the report is due again.
func TestASilentServerDoesNotOutlastRun(t *testing.T) {
	for name, replies := range map[string][]string{
		"no greeting":    nil,
		"after EHLO":     {"220 hi", "250 hi"},
		"in STARTTLS":    {"220 hi", "250-hi\r\n250 STARTTLS", "220 go"},
		"after MAIL":     {"220 hi", "250 hi", "250 ok"},
		"within DATA":    {"220 hi", "250 hi", "250 ok", "250 ok", "354 go"},
		"at its own 5xx": {"220 hi", "250 hi", "550 no"},
	} {
		t.Run(name, func(t *testing.T) {
			m, reached, hangUp := silent(t, replies...)
			a := failed("")
			notice := spool.Notice{ID: 1, Way: spool.Mail, Happened: time.Now(), Report: &a}
			store := newNotices(notice)
			n := notify.New(notify.Options{
				Setup: always(notify.Setup{
					Mailer: m,
					Grace:  10 * time.Millisecond,
				}),
				Store:  store,
				Sink:   &recorder{},
				Now:    time.Now,
				Jitter: func() float64 { return 0 },
			})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); n.Run(ctx) }()
			<-reached
			stop()
			late := time.AfterFunc(5*time.Second, func() { t.Error("Run outlasts its grace"); hangUp() })
			defer late.Stop()
			<-done
			if said := <-store.outcomes; said != "deferred 1" && name != "at its own 5xx" {
				t.Error(said)
			}
		})
	}
}
