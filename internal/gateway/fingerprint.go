package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
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
	part := func(p []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	part([]byte(scope))
	part([]byte(from))
	var all []string
	for _, r := range rcpt {
		all = append(all, threading.Canonical(r))
	}
	slices.Sort(all)
	part([]byte(strings.Join(slices.Compact(all), " ")))
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	for header, skip := true, false; len(raw) > 0; {
		line := raw
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			line = raw[:i+1]
		}
		if header && (len(line) == 1 && line[0] == '\n') {
			part(raw) // the body, as it is
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
