package config

import (
	"encoding/base64"
	"net/url"
	"strings"
)

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
		for _, key := range []string{"events.secret", "events.kinds"} {
			if l.doc.Given(key) {
				l.doc.Reject(key, l.doc.Key(key)+" has no effect without a url", "add "+l.doc.Key("events.url")+", or remove it")
			}
		}
		return
	case err != nil || !isWebAddress(u):
		l.doc.Reject("events.url", "events.url is not a URL",
			"write https:// and the host, such as https://ops.example.com/heyrelay")
	case u.User != nil || u.Fragment != "":
		l.doc.Reject("events.url", "events.url contains a user or a fragment", "remove them; the calls are signed")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		l.doc.Reject("events.url", "events.url would send details of your mail unencrypted",
			"write https://; http:// is allowed to this machine only")
	}
	if _, ok := e.Key(); !ok {
		l.doc.Reject("events.secret", "events has no valid signing secret",
			"write whsec_ and 24 to 64 random bytes in base64 to a file, and name it as "+l.doc.Key("events.secret_file"))
	}
}
