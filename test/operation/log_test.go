package operation

import (
	"crypto/rand"
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"heyrelay/internal/passhash"
)

const logged = `
hostname: relay.example.com
listeners: [{address: %q, allow: []}]
heymarket: {base_url: %q}
teams: {shop: {secrets: [{id: old, key_file: old.key}], rate: 6000000/min}}
routes: [{inbox: 202, creator_id: 55}]
users: [{name: bob, password_hash: %q}]
log: {level: debug, addresses: %s}
spool: {url: "sqlite:spool.db", min_free: 1MB}
`

// The log of a whole run at level debug, with logins, refusals, repeats, an outage and a reload, has
// the queue id of each message, and neither titles, bodies, passwords nor secrets; masked, it has
// no address.
func TestLogHasNoContent(t *testing.T) {
	for _, addresses := range []string{"shown", "masked"} {
		t.Run(addresses, func(t *testing.T) {
			h := newHouse(t, "old-key-of-the-team")
			hash, err := passhash.New("correct-pass-phrase", rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			h.write("heyrelay.yaml", fmt.Sprintf(logged, h.smtp, h.gate.url, hash, addresses))
			h.start()
			submit := func(password, to, id string) error {
				const mail = "To: %s\r\nSubject: salaries-of-march\r\nMessage-ID: <%s@x>\r\n\r\nconfidential-figures\r\n"
				auth := smtp.PlainAuth("", "bob", password, "127.0.0.1")
				return smtp.SendMail(h.smtp, auth, "erin@example.com", []string{to}, fmt.Appendf(nil, mail, to, id))
			}
			for _, c := range []struct {
				password, to string
				accepted     bool
			}{
				{"wrong-pass-phrase", "carol@example.com", false},
				{"correct-pass-phrase", "carol@[192.0.2.1]", false},
				{"correct-pass-phrase", "carol@example.com", true},
				{"correct-pass-phrase", "carol@example.com", true}, // a repeat
				{"correct-pass-phrase", "permerror@example.com", true},
			} {
				if err := submit(c.password, c.to, "1"); (err == nil) != c.accepted {
					t.Errorf("%+v: %v", c, err)
				}
			}
			h.process.Await("msg=failed")
			h.gate.revoke("old")
			if err := submit("correct-pass-phrase", "dave@example.com", "2"); err != nil {
				t.Error(err)
			}
			h.process.Await("msg=held")
			h.reload()
			h.process.Stop()
			out := h.process.Output()
			secrets := []string{
				"salaries", "confidential", "wrong-pass-phrase", "correct-pass-phrase", "old-key-of-the-team", hash,
			}
			if addresses == "masked" {
				secrets = append(secrets, "carol", "erin", "dave", "permerror")
			}
			for _, word := range secrets {
				if strings.Contains(out, word) {
					t.Errorf("%q in the log", word)
				}
			}
			for line := range strings.SplitSeq(out, "\n") {
				for _, kind := range []string{"accepted", "sent", "deferred", "failed"} {
					if strings.Contains(line, "msg="+kind+" ") && !strings.Contains(line, "queue_id=") {
						t.Errorf("no queue id in %s", line)
					}
				}
			}
		})
	}
}
