package config_test

import (
	"net/netip"
	"testing"

	"heyrelay/internal/config"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, address string
		want             bool
	}{
		{"*@example.com", "alice@example.com", true},
		{"*@EXAMPLE.com", "alice@example.COM", true},
		{"*@example.com", "alice@sub.example.com", false},
		{"*@example.com", "alice@example.com.test", false},
		{"*@*.example.com", "alice@sub.example.com", true},
		{"alice@example.com", "Alice@example.com", true},
		{"alice@example.com", "malice@example.com", false},
		{"al*@*.com", "alice@example.com", true},
		{"a*b*a@x", "ab@x", false},
		{"a*a@x", "a@x", false},
		{"*", "", true},
		{"*", "anyone@example.com", true},
		{"*@*", "", false},
		{"<>", "", true},
		{"<>", "alice@example.com", false},
		{"müller@*", "MÜLLER@example.com", true},
		{"*@münchen.example", "alice@xn--mnchen-3ya.example", true},
		{"*@MÜNCHEN.example", "alice@XN--MNCHEN-3YA.example", true},
		{"*@xn--mnchen-3ya.example", "alice@münchen.example", true},
		{"*@xn--mnchen-3ya.example", "alice@mu\u0308nchen.example", true},
		{"*@*.xn--mnchen-3ya.example", "alice@süd.münchen.example", true},
		{"*@*münchen.example", "alice@xn--mnchen-3ya.example", true},
		{"*münchen.example", "alice@xn--mnchen-3ya.example", true},
		{"*@xn--*", "alice@XN--MNCHEN-3YA.example", true},
		{"*@xn--mnchen*", "alice@xn--mnchen-3ya.example", true},
		{"*@münchen.example", "alice@munchen.example", false},
		{"*@fass.example", "alice@faß.example", false},
		{"*@example.com", "alice@xn--example-.com", false},           // no A-label: its U-label is ASCII
		{"xn--mnchen-3ya@example.com", "münchen@example.com", false}, // a local part has no labels
	} {
		var p config.Pattern
		if err := p.UnmarshalText([]byte(c.pattern)); err != nil {
			t.Errorf("%q: %v", c.pattern, err)
		} else if got := p.Match(c.address); got != c.want {
			t.Errorf("%q matches %q: %t, want %t", c.pattern, c.address, got, c.want)
		}
	}
}

func networks(t *testing.T, texts ...string) (ns config.Networks) {
	for _, text := range texts {
		var n config.Network
		if err := n.UnmarshalText([]byte(text)); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		ns = append(ns, n)
	}
	return ns
}

func TestNetworks(t *testing.T) {
	ns := networks(t, "10.0.0.0/8", "192.0.2.1", "fd00::/8", "::1")
	for address, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "192.0.2.1": true, "fd12::1": true, "::1": true,
		"11.0.0.1": false, "192.0.2.2": false, "fe80::1": false, "::2": false,
	} {
		if got := ns.Contains(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is contained: %t, want %t", address, got, want)
		}
	}
	if ns.Contains(netip.Addr{}) {
		t.Error("a client without an address is in a network")
	}
}

// TestMatch wants every key that is given to match, and one value of each.
func TestMatch(t *testing.T) {
	local, remote := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("192.0.2.1")
	var example, boss config.Pattern
	for p, text := range map[*config.Pattern]string{&example: "*@example.com", &boss: "boss@example.com"} {
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	all := config.Match{
		User:   []string{"redmine", "jira"},
		Client: networks(t, "127.0.0.0/8", "10.0.0.0/8"),
		Sender: config.Patterns{boss, example},
		From:   config.Patterns{boss},
	}
	for _, c := range []struct {
		name         string
		match        config.Match
		client       netip.Addr
		sender, from string
		user         string
		want         bool
	}{
		{"nothing given", config.Match{}, remote, "", "", "", true},
		{"all match", all, local, "x@example.com", "boss@example.com", "redmine", true},
		{"other client", all, remote, "x@example.com", "boss@example.com", "redmine", false},
		{"unix socket", all, netip.Addr{}, "x@example.com", "boss@example.com", "redmine", false},
		{"other sender", all, local, "x@example.org", "boss@example.com", "redmine", false},
		{"null sender", all, local, "", "boss@example.com", "redmine", false},
		{"other from", all, local, "x@example.com", "x@example.com", "redmine", false},
		{"other user", all, local, "x@example.com", "boss@example.com", "eve", false},
		{"no user", all, local, "x@example.com", "boss@example.com", "", false},
	} {
		if got := c.match.Matches(c.user, c.client, c.sender, c.from); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
