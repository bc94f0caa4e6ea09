package main

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"

	"heyrelay/internal/config"
	"heyrelay/internal/smarthost/smarthosttest"
)

// check --online opens a session with each mail server that the configuration names, and sends no mail.
func TestCheckMailServers(t *testing.T) {
	open := smarthosttest.Serve(t, nil)
	login := smarthosttest.Serve(t, func(s *smarthosttest.Server) { s.Login = []string{sasl.Plain} })
	small := smarthosttest.Serve(t, func(s *smarthosttest.Server) { s.MaxMessageBytes = 10_000_000 })
	seven := greeting(t, "250 raw")
	busy := greeting(t, "421 4.3.2 Try later")
	broken := smarthosttest.Serve(t, func(s *smarthosttest.Server) { s.TLSConfig = new(tls.Config) })
	const smarthost = "route first: smarthost: smtp://ADDRESS"
	cases := []struct {
		name, section, address, password string

		says string // on standard output or in the error
		code int    // exit code
	}{
		{"Smarthost", "smarthost", open.Address, "", smarthost + " responds\n", exitOK},
		{"Shadow", "shadow", open.Address, "", "route first: shadow: smtp://ADDRESS responds\n", exitOK},
		{"Bounces", "bounces", open.Address, "", "bounces.smarthost: smtp://ADDRESS responds\n", exitOK},
		{"Login", "smarthost", login.Address, "sesame", smarthost + " responds, and accepts the login of heyrelay\n", exitOK},
		{"Small", "smarthost", small.Address, "", "warning: route first: the smarthost takes messages of at most " +
			"10000000 bytes, and limits.message_size is 25MB: larger ones fail\n", exitOK},
		{"SevenBit", "smarthost", seven.Address, "", "warning: route first: the smarthost does not offer 8BITMIME: " +
			"messages with 8-bit content fail\n", exitOK},
		{"BrokenTLS", "smarthost", broken.Address, "", "warning: route first: smarthost: mail goes there in plaintext, " +
			"as STARTTLS fails: remote error: tls: ", exitOK},
		{"RefusedLogin", "smarthost", login.Address, "mistaken", smarthost + ": login as heyrelay: ", exitConfig},
		{"Busy", "smarthost", busy.Address, "", smarthost + ": EHLO: ", exitFailed},
		{"BusyShadow", "shadow", busy.Address, "", "route first: shadow: smtp://ADDRESS: EHLO: ", exitFailed},
		{"BusyBounces", "bounces", busy.Address, "", "bounces.smarthost: smtp://ADDRESS: EHLO: ", exitFailed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			cfg := withMailServer(t, c.section, c.address, c.password)
			o := online{p: &program{ctx: t.Context(), stdout: &out}, cfg: cfg}
			o.mailServers()
			said := out.String()
			err := o.err()
			if err != nil {
				said += err.Error()
			}
			if want := strings.ReplaceAll(c.says, "ADDRESS", c.address); !strings.Contains(said, want) {
				t.Errorf("%q, want %q", said, want)
			}
			if code := exitCode(err); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if strings.Contains(said, "sesame") || strings.Contains(said, "mistaken") {
				t.Errorf("%q has the password", said)
			}
		})
	}
	if got := slices.Concat(open.Taken(), login.Taken(), small.Taken()); len(got) > 0 {
		t.Errorf("mail was sent: %+v", got)
	}
}

// greeting starts a mail server with a reply of its own to EHLO.
func greeting(t *testing.T, reply string) *smarthosttest.Raw {
	t.Helper()
	return smarthosttest.ServeRaw(t, func(r *smarthosttest.Raw) {
		r.Answer = func(command string) string {
			if strings.HasPrefix(command, "EHLO") {
				return reply
			}
			return ""
		}
	})
}

// withMailServer returns a configuration that names a mail server: the smarthost or the shadow of its route,
// or that of its bounces.
func withMailServer(t *testing.T, section, address, password string) *config.Config {
	t.Helper()
	server := "next: smtp://" + address
	if section == "bounces" {
		server = "smarthost: smtp://" + address
	}
	if password != "" {
		server += `, user: heyrelay, password: "${PASSWORD}"`
	}
	text := `{hostname: relay.example.com, teams: {shop: {secrets: [{id: demo, key: "${KEY}"}]}}, `
	if section == "bounces" {
		text += "routes: [{inbox: 202, creator_id: 55, name: first}], bounces: {" + server + "}}"
	} else {
		text += "routes: [{inbox: 202, creator_id: 55, name: first, " + section + ": {" + server + "}}]}"
	}
	cfg, err := config.Parse("test", []byte(text), func(name string) (string, bool) {
		if name == "PASSWORD" {
			return password, true
		}
		return "key", true
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
