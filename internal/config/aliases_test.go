package config_test

import (
	"testing"

	"heyrelay/internal/config"
)

// TestRecipient wants the alias that matches best, and local recipients without one to
// be unknown.
func TestRecipient(t *testing.T) {
	const text = `
hostname: relay
teams: {shop: {api_key: "${SECRET}"}}
routes:
  - {inbox: 202, creator_id: 55, recipients: headers, relay_mailbox: in@localhost, match: {sender: ["*@shop.test"]}}
  - {inbox: 203, creator_id: 55, recipients: headers, relay_mailbox: in@xn--bro-hoa.internal}
aliases:
  root: ops@example.com
  "web*": web@example.com
  "*@localhost": rest@example.com
  "*@*.internal": internal@example.com
  root@db1.internal: dba@example.com
  root@büro.internal: office@example.com
`
	c, err := config.Parse("heyrelay.yaml", []byte(text), lookup(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		address, want string
		ok            bool
	}{
		{"alice@example.com", "alice@example.com", true},
		{"webmaster@example.com", "webmaster@example.com", true},
		{"root", "ops@example.com", true},
		{"Root@LOCALHOST", "ops@example.com", true},
		{"root@relay", "ops@example.com", true},
		{"root@box.localdomain", "ops@example.com", true},
		{"root@db1.internal", "dba@example.com", true},
		{"root@db2.internal", "internal@example.com", true},
		{"root@xn--bro-hoa.internal", "office@example.com", true},
		{"root@example.com", "root@example.com", true},
		{"www-data", "rest@example.com", true},
		{"webmaster@relay", "web@example.com", true},
		{"nobody@relay", "nobody@relay", false},
		{"nobody@box.localdomain", "nobody@box.localdomain", false},
		{"nobody@box.localhost", "nobody@box.localhost", false},
		{"nobody@box", "nobody@box", true},
		{"in@localhost", "in@localhost", true},
		{"in@büro.internal", "in@büro.internal", true},
	} {
		if got, ok := c.Recipient(test.address); got != test.want || ok != test.ok {
			t.Errorf("%s: %s, %t; want %s, %t", test.address, got, ok, test.want, test.ok)
		}
	}
}
