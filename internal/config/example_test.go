package config_test

import (
	"fmt"

	"heyrelay/internal/config"
)

func ExampleParse() {
	const file = `
teams:
  shop: {api_key: "${KEY}"}
routes:
  - {inbox: 202, creator_id: 55, attachments: drop}
`
	env := func(name string) (string, bool) { return "the-key", name == "KEY" }
	c, err := config.Parse("heyrelay.yaml", []byte(file), env)
	if err != nil {
		fmt.Println(err)
		return
	}
	route := c.Routes[0]
	fmt.Println(route.Name, route.Team, route.Attachments)
	fmt.Println(c.Listeners[0].Address, c.Limits.MessageSize, c.Delivery.Expire)
	fmt.Println(c.Teams["shop"].APIKey)
	// Output:
	// inbox-202 shop drop
	// 127.0.0.1:2525 25MB 5d
	// ***
}

// All problems are reported at once.
func ExampleParse_problems() {
	const file = `
hostnam: relay.example.com
teams:
  shop: {api_key: "${KEY}"}
routes:
  - {name: support, creator_id: 055}
`
	env := func(string) (string, bool) { return "", false }
	_, err := config.Parse("heyrelay.yaml", []byte(file), env)
	fmt.Println(err)
	// Output:
	// heyrelay.yaml:2:1: unknown key "hostnam"; did you mean hostname?
	// heyrelay.yaml:4:19: the environment variable KEY is not set; set it, or write $${KEY} for that literal text
	// heyrelay.yaml:6:5: routes[0] (support) has no inbox; give the number of the inbox (see heyrelay inboxes)
	// heyrelay.yaml:6:33: routes[0].creator_id cannot be "055"; write a whole number: digits without a leading 0
}

func ExampleFromEnvironment() {
	_, err := config.FromEnvironment([]string{
		"HEYRELAY_INBOX=202",
		"HEYRELAY_CREATOR_ID=55",
		"HEYRELAY_SECRET_KEYFILE=key",
	})
	fmt.Println(err)
	// Output:
	// HEYRELAY_SECRET_KEYFILE: unknown variable; did you mean HEYRELAY_SECRET_KEY_FILE?
	// HEYRELAY_SECRET_ID: is not set; give the Secret ID
	// HEYRELAY_SECRET_KEY_FILE: is not set; name the file with the Secret Key
}

func ExamplePattern_Match() {
	var p config.Pattern
	if err := p.UnmarshalText([]byte("*@example.com")); err != nil {
		fmt.Println(err)
	}
	fmt.Println(p.Match("Alice@Example.COM"), p.Match("alice@example.com.evil.test"), p.Match(""))
	// Output: true false false
}
