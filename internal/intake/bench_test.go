package intake

import (
	"net/netip"
	"testing"
	"time"

	"heyrelay/smtpd"
	"heyrelay/test/mailbody"
)

// BenchmarkPlan plans the messages with which performance is measured.
func BenchmarkPlan(b *testing.B) {
	p := testPlanner(parse(b, oneRoute))
	for name, body := range map[string]string{"4KB": mailbody.Plain(), "30KB": mailbody.Alternative()} {
		b.Run(name, func(b *testing.B) {
			now := time.Now()
			raw := []byte("From: app@example.com\r\nTo: bob@load.example\r\nSubject: Load bob\r\n" +
				"Message-ID: <bob@example.com>\r\nDate: " + now.Format(time.RFC1123Z) + "\r\n" + body)
			env := &smtpd.Envelope{
				QueueID:  "068NQT5T8C0R2D3E",
				Client:   netip.MustParseAddr("192.0.2.1"),
				From:     "app@example.com",
				Rcpt:     []string{"bob@load.example"},
				DSN:      []smtpd.DSN{{}},
				Received: now,
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.plan(env, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
