package config

import (
	"encoding/base64"
	"net/url"
	"strings"

	"heyrelay/internal/loopback"
	"heyrelay/internal/strictyaml"
)

// Events is which events are posted to the operator, signed as the Standard Webhooks
// specification defines. It is in use if there is a URL.
type Events struct {
	// The webhook's URL: https, or http to this machine only. Redirects are not followed.
	URL string `yaml:"url" example:"https://ops.example.com/heyrelay"`

	// The signing secret: whsec_ and 24 to 64 random bytes in base64, such as
	// echo "whsec_$(openssl rand -base64 32)" prints.
	Secret strictyaml.Secret `yaml:"secret" example:"/run/secrets/heyrelay_events"`

	// What is posted: requests that failed or were flagged, routes and teams that were
	// held or released, and too many or too old pending requests. Default: all.
	Kinds []string `yaml:"kinds" example:"[failed, held]" oneof:"failed|flagged|held|released|backlog|oldest"`

	// The number of pending requests above which an event is posted. 0: never.
	Backlog int `yaml:"backlog" default:"10000" range:"0..1000000000"`

	// The age of the oldest pending request above which an event is posted. 0: never.
	Oldest strictyaml.Duration `yaml:"oldest" default:"1h" range:"0..30d"`
}

// complete selects all kinds of events by default.
func (e *Events) complete() {
	if e.URL != "" && e.Kinds == nil {
		e.Kinds = []string{EventFailed, EventFlagged, EventHeld, EventReleased, EventBacklog, EventOldest}
	}
}

// Key returns the signing key that Secret stands for, as the Standard Webhooks
// specification writes it: whsec_ and 24 to 64 bytes in base64.
func (e Events) Key() (key []byte, ok bool) {
	text, ok := strings.CutPrefix(e.Secret.Reveal(), "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	return key, ok && err == nil && 24 <= len(key) && len(key) <= 64
}

func (l *loader) validateEvents() {
	e := l.config.Events
	u, err := url.Parse(e.URL)
	switch {
	case e.URL == "":
		l.rejectUnused("a url", "add "+l.doc.Key("events.url")+", or remove it", "events.secret", "events.kinds")
		return
	case err != nil || !isWebAddress(u):
		l.doc.Reject("events.url", "events.url is not a URL",
			"write https:// and the host, such as https://ops.example.com/heyrelay")
	case u.User != nil || u.Fragment != "":
		l.doc.Reject("events.url", "events.url contains a user or a fragment", "remove them; the calls are signed")
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		l.doc.Reject("events.url", "events.url would send details of your mail unencrypted",
			"write https://; http:// is allowed to this machine only")
	}
	if _, ok := e.Key(); !ok {
		l.doc.Reject("events.secret", "events has no valid signing secret",
			"write whsec_ and 24 to 64 random bytes in base64 to a file, and name it as "+l.doc.Key("events.secret_file"))
	}
}
