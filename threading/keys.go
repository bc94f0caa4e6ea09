package threading

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
)

// Key identifies a message id (or the match of thread_by_subject) within one scope
// and one set of participants: the first 16 bytes of SHA-256(scope, id, participants).
type Key [16]byte

// ThreadHeaders are the header fields that place a message in a thread. Ids have no
// angle brackets and stand in the order of their fields (RFC 5322, section 3.6.4).
type ThreadHeaders struct {
	Own        []string // Message-ID and the like
	InReplyTo  []string
	References []string
	Subject    string // what the route's thread_by_subject matched, "" for nothing
}

// Lookup is one key under which to look for the conversation of a message.
type Lookup struct {
	Key   Key
	Field string // the header field that gave it
	ID    string // in canonical form
}

// edge is how many ids at each end of References are recorded: the root, which
// later mail cites even if it was never sent, and the nearest ancestors.
const edge = 10

// fewest is how many ids Trim leaves in any case: one that the message answers, its
// nearest ancestor and the root among them.
const fewest = 4

// Trim returns the headers with at most n own ids, and with at most n ids of In-Reply-To
// and References together (at least 4 of each). It keeps the first ids of In-Reply-To,
// and both ends of References.
func (h ThreadHeaders) Trim(n int) ThreadHeaders {
	n = max(n, fewest)
	h.Own = h.Own[:min(len(h.Own), n)]
	h.InReplyTo = h.InReplyTo[:min(len(h.InReplyTo), n/2)]
	n -= len(h.InReplyTo)
	if len(h.References) <= n {
		return h
	}
	roots := min(edge, n/2)
	nearest := len(h.References) - (n - roots)
	h.References = slices.Concat(h.References[:roots], h.References[nearest:])
	return h
}

// Keys returns the keys for one audience in one scope.
//
// lookups are the keys to look up, best first: the message it replies to, then
// References from the nearest ancestor to the root, then its own ids (a parent can
// arrive after its child), then the Subject.
//
// own and cited are to be recorded once the conversation is known. An own id always
// points to the conversation of its message. A cited id counts only while no message
// owns it: many programs cite a root that they never sent.
func (h ThreadHeaders) Keys(scope string, a Audience) (lookups []Lookup, own, cited []Key) {
	seen := map[string]bool{}
	read := func(field string, ids []string) (found []Lookup) {
		for _, id := range ids {
			id = canonicalID(id)
			if !seen[id] {
				seen[id] = true
				found = append(found, Lookup{key('i', scope, id, a.Participants), field, id})
			}
		}
		return found
	}
	nearest := slices.Clone(h.References)
	slices.Reverse(nearest)
	itself := read("Message-ID", h.Own) // first: a message does not cite itself
	answers := read("In-Reply-To", h.InReplyTo)
	refers := read("References", nearest)

	for _, l := range itself {
		own = append(own, l.Key)
	}
	for _, l := range answers {
		cited = append(cited, l.Key)
	}
	for i, l := range refers {
		if i < edge || i >= len(refers)-edge {
			cited = append(cited, l.Key)
		}
	}
	lookups = slices.Concat(answers, refers, itself)
	if h.Subject != "" {
		k := key('s', scope, h.Subject, a.Participants)
		lookups = append(lookups, Lookup{k, "Subject", h.Subject})
		cited = append(cited, k)
	}
	return lookups, own, cited
}

// canonicalID returns the form in which ids are compared: quotes around a plain left
// side are removed and the right side is lower-cased. The left side is case-sensitive.
func canonicalID(id string) string {
	at := strings.LastIndexByte(id, '@')
	if at < 0 {
		return id
	}
	left, right := id[:at], strings.ToLower(id[at:])
	if n := len(left); n > 2 && left[0] == '"' && left[n-1] == '"' && !strings.ContainsAny(left[1:n-1], `"\`) {
		left = left[1 : n-1]
	}
	return left + right
}

// key hashes each part with its length, so that different lists of parts never give
// the same input. kind keeps ids and subjects apart.
func key(kind byte, parts ...string) Key {
	h := sha256.New()
	h.Write([]byte{kind})
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return Key(h.Sum(nil)[:16])
}
