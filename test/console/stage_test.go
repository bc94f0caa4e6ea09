package console

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/relay"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

// stage is a relay with an hour of mail behind it, which took seconds: its clock is set forward.
type stage struct {
	testing.TB
	relay    *relay.Relay
	operator spool.Operator
	ahead    atomic.Int64 // nanoseconds
	sent     int
	base     string
	login    string
}

const stageConfig = `
hostname: relay.example.com
listeners: [{address: "127.0.0.1:0"}]
teams:
  shop: {api_key: "${KEY}", rate: 100/min}
  billing: {api_key: "${KEY}", rate: 60/min}
routes:
  - {name: support, team: shop, inbox: 202, creator_id: 55, match: {sender: "support@example.com"}}
  - {name: invoices, team: billing, inbox: 202, creator_id: 55, match: {sender: "billing@example.com"}}
  - {name: orders, team: shop, inbox: 202, creator_id: 55, attachments: link}
blobs: {url: "file://%s", listen: "127.0.0.1:0", public_url: "https://files.example.com"}
heymarket: {base_url: "http://127.0.0.1:9"}
console: {address: "127.0.0.1:0"}
`

func (s *stage) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// startStage runs the relay.
func startStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{TB: t}
	s.ahead.Store(int64(-time.Hour))
	text := fmt.Sprintf(stageConfig, filepath.ToSlash(filepath.Join(t.TempDir(), "blobs")))
	cfg, err := config.Parse("stage", []byte(text), func(string) (string, bool) { return sandbox.DemoAPIKey, true })
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "spool.db")
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	s.operator, err = sqlite.OpenOperator(path)
	if err != nil {
		t.Fatal(err)
	}
	s.relay, err = relay.New(cfg, relay.Parts{
		Now: s.now, Store: store, Operator: s.operator, Sink: events.Sinks{}, Transport: sandbox.New(sandbox.Options{}),
		Random: rand.Reader, UserAgent: "heyrelay/1.0.0", Listen: net.Listen,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.relay.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		s.operator.Close()
		store.Close()
	})
	s.login = s.relay.ConsoleURL()
	u, err := url.Parse(s.login)
	if err != nil {
		t.Fatal(err)
	}
	s.base = "http://" + u.Host
	return s
}

// mail has the relay accept a message, and returns its queue id.
func (s *stage) mail(from, to, subject, more string) string {
	s.Helper()
	s.sent++
	id := fmt.Sprintf("%016X", 0x06E1AB0000000000+s.sent*7919)
	raw := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\n%s\r\n", from, to, subject, more)
	reply := s.relay.Handle(s.Context(), &smtpd.Envelope{
		QueueID:  id,
		Client:   netip.MustParseAddr("10.0.3.17"),
		Received: s.now(),
		From:     from,
		Rcpt:     strings.Split(to, ", "),
	}, []byte(raw))
	if reply.Code != 250 {
		s.Fatalf("%+v", reply)
	}
	return id
}

var subjects = []string{
	"Order %d confirmed", "Order %d has left our warehouse", "Your parcel %d arrives today", "Receipt for order %d",
	"Please rate order %d", "Refund of order %d",
}

// hour has an hour pass, with mail of all kinds.
func (s *stage) hour() {
	s.Helper()
	begin := s.now().Truncate(time.Minute)
	for minute := range 60 {
		n := 4 + (minute*7)%5 + minute%3
		if minute > 34 && minute < 44 {
			n += 9
		}
		for i := range n {
			to := fmt.Sprintf("customer%d@example.net", (minute*31+i*17)%500)
			order := 4100 + minute*13 + i
			s.mail("shop@example.com", to, fmt.Sprintf(subjects[(minute+i)%len(subjects)], order), "\r\nThank you.\r\n")
		}
		if minute == 40 {
			s.mail("shop@example.com", "permerror@example.net", "Order 4711 confirmed", "\r\nThank you.\r\n")
			s.mail("shop@example.com", "permerror@example.net", "Password reset", "\r\nClick.\r\n")
		}
		s.idle()
		next := begin.Add(time.Duration(minute+1) * time.Minute)
		s.ahead.Store(int64(time.Until(next)) + int64(time.Second))
	}
}

// idle waits until all is sent that can be.
func (s *stage) idle() {
	s.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		list, err := s.operator.List(s.Context(), spool.Filter{
			States: []spool.State{spool.Ready, spool.Active, spool.Queued}, Limit: 1,
		})
		if err != nil {
			s.Fatal(err)
		}
		if len(list) == 0 {
			<-tick.C // what was recorded is counted after it was stored
			<-tick.C
			return
		}
	}
}

// TestStage makes the pictures of the documents.
func TestStage(t *testing.T) {
	if *screens == "" {
		t.Skip("no -screens")
	}
	s := startStage(t)
	s.hour()
	paths := s.scene()
	b := open(t)
	b.visit(s.base + "/login")
	b.do(chromedp.WaitVisible(chromedp.CSS("form")))
	b.shoot("login")
	b.visit(s.login)
	for name, path := range paths {
		b.visit(s.base + path)
		b.shoot(name)
	}
}

// shoot makes the three pictures of a page.
func (b *tab) shoot(name string) {
	b.Helper()
	b.colours("light")
	b.picture(name+"-light", 1280)
	b.picture(name+"-narrow", 390)
	b.colours("dark")
	b.picture(name+"-dark", 1280)
}

// scene adds the messages worth a look, and returns the addresses of their pages.
func (s *stage) scene() map[string]string {
	s.Helper()
	err := s.operator.HoldDestination(s.Context(), s.now(), spool.Hold{
		Team: "billing", Route: "invoices", Reason: "wrong VAT on invoices, asked Carol to check",
	})
	if err != nil {
		s.Fatal(err)
	}
	for i := range 7 {
		to := fmt.Sprintf("customer%d@example.net", i)
		s.mail("billing@example.com", to, fmt.Sprintf("Invoice %d", 2041+i), "\r\nHi.\r\n")
	}
	who := "alice@example.com, bob@example.com"
	first := s.mail("support@example.com", who, "Printer on fire",
		"Message-Id: <ticket-1@example.com>\r\nContent-Type: text/html\r\n\r\n"+printerMail+"\r\n")
	s.idle()
	reply := s.mail("support@example.com", who, "Re: Printer on fire", "Message-Id: <ticket-2@example.com>\r\n"+
		"In-Reply-To: <ticket-1@example.com>\r\nReferences: <ticket-1@example.com>\r\n\r\n"+
		"It still burns. The extinguisher is empty.\r\n")
	s.idle()
	s.mail("support@example.com", who, "Re: Printer on fire", "Message-Id: <ticket-3@example.com>\r\n"+
		"In-Reply-To: <ticket-2@example.com>\r\nReferences: <ticket-1@example.com> <ticket-2@example.com>\r\n\r\n"+
		"The fire brigade is here. Closing the ticket.\r\n")
	s.idle()
	files := s.mail("shop@example.com", "customer7@example.net", "Invoice of order 5001", filesMail)
	failed := s.mail("shop@example.com", "permerror@example.net", "Order 5002 confirmed", "\r\nThank you.\r\n")
	s.mail("shop@example.com", "temperror@example.net", "Weekly figures", "\r\nAll is well.\r\n")
	s.idle()
	detail, err := s.operator.Show(s.Context(), reply)
	if err != nil {
		s.Fatal(err)
	}
	return map[string]string{
		"overview":     "/",
		"messages":     "/messages",
		"search":       "/messages?state=held",
		"message":      "/messages/" + first,
		"reply":        "/messages/" + reply + "?view=json",
		"files":        "/messages/" + files,
		"revoke":       "/messages/" + files + "/revoke",
		"failed":       "/messages/" + failed + "?view=source",
		"conversation": fmt.Sprintf("/conversations/%d", detail.Requests[0].Conversation),
		"confirm":      "/actions/drop?state=held&back=%2Fmessages",
		"hold":         "/destinations/hold?team=shop&route=orders",
		"nothing":      "/messages?q=nobody%40example.com",
	}
}
