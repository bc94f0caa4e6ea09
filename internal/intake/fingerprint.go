package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strings"

	"heyrelay/internal/spool"
	"heyrelay/threading"
)

// trace fields are added on the way, and so differ between two tries to hand
// over one message (RFC 5321, section 4.4, and what forwarders add).
var trace = []string{"received", "return-path", "delivered-to", "x-original-to", "received-spf", "authentication-results"}

// fingerprint is what two tries to hand over one message have in common: scope,
// sender, recipients, and the message without its trace fields, line ends made
// equal.
func fingerprint(scope, from string, rcpt []string, raw []byte) spool.Fingerprint {
	h := sha256.New()
	part(h, scope)
	part(h, from)
	var all []string
	for _, r := range rcpt {
		all = append(all, threading.Canonical(r))
	}
	slices.Sort(all)
	part(h, strings.Join(slices.Compact(all), " "))
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	for header, skip := true, false; len(raw) > 0; {
		line := raw
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			line = raw[:i+1]
		}
		if header && (len(line) == 1 && line[0] == '\n') {
			part(h, string(raw)) // the body, as it is
			break
		}
		if line[0] != ' ' && line[0] != '\t' { // not a folded line
			name, _, _ := bytes.Cut(line, []byte(":"))
			skip = slices.Contains(trace, strings.ToLower(string(bytes.TrimSpace(name))))
		}
		if !skip {
			h.Write(line)
		}
		raw = raw[len(line):]
	}
	return spool.Fingerprint(h.Sum(nil))
}

// keyed is what two messages have in common to which their application gave one
// idempotency key. It begins as no fingerprint of content does.
func keyed(scope, key string) spool.Fingerprint {
	h := sha256.New()
	h.Write([]byte("key"))
	part(h, scope)
	part(h, key)
	return spool.Fingerprint(h.Sum(nil))
}

// digest is of what goes to the API: it is the same for messages that say the
// same to the same people, whatever else their sources hold.
func digest(m *spool.Message) spool.Fingerprint {
	var all []string
	for _, r := range m.Requests {
		var recipients []string
		for _, a := range r.To {
			recipients = append(recipients, "to:"+threading.Canonical(a))
		}
		for _, a := range r.Cc {
			recipients = append(recipients, "cc:"+threading.Canonical(a))
		}
		slices.Sort(recipients)
		all = append(all, strings.Join(recipients, " "))
	}
	slices.Sort(all)
	h := sha256.New()
	for _, p := range []string{strings.Join(all, "\n"), m.Title, m.HTML, m.Text} {
		part(h, p)
	}
	return spool.Fingerprint(h.Sum(nil))
}

// part adds a part with its length, so that no two lists of parts run together.
func part(h hash.Hash, p string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(p)))
	h.Write(n[:])
	h.Write([]byte(p))
}
