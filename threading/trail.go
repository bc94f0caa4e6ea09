package threading

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
)

// Key stands for one id within a scope and a set of participants: the first 16
// bytes of SHA-256(scope, id, members).
type Key [16]byte

// Trail is what a message says about its place in a thread: ids without their
// brackets, in the order of their fields (RFC 5322, section 3.6.4).
type Trail struct {
	Own        []string
	InReplyTo  []string
	References []string
	Subject    string // what the route's thread_by_subject found, "" for nothing
}

// Clue is one place to look for a conversation.
type Clue struct {
	Key   Key
	Field string // where the message names it
	ID    string // in canonical form
}

// edge is how many ids at each end of References are recorded: the root, which
// later mail cites though it was never sent, and the parents.
const edge = 10

// Keys gives the keys of the trail for one audience in one scope. look is where
// its conversation may be found, best first: what it answers, then what it
// refers to, nearest first, then its own ids (a parent can arrive after its
// child), then the Subject. own and cited are to be recorded once the
// conversation is known: own ids stand for the message, cited ones count only
// where nobody owns them, since many programs cite a root that they never sent.
func (t Trail) Keys(scope string, a Audience) (look []Clue, own, cited []Key) {
	seen := map[string]bool{}
	clues := func(field string, ids []string) (clues []Clue) {
		for _, id := range ids {
			if id = canonicalID(id); !seen[id] {
				seen[id] = true
				clues = append(clues, Clue{key('i', scope, id, a.Members), field, id})
			}
		}
		return clues
	}
	nearest := slices.Clone(t.References)
	slices.Reverse(nearest)
	itself := clues("Message-ID", t.Own) // first: what a message is, it does not cite
	answers := clues("In-Reply-To", t.InReplyTo)
	refers := clues("References", nearest)

	for _, c := range itself {
		own = append(own, c.Key)
	}
	for _, c := range answers {
		cited = append(cited, c.Key)
	}
	for i, c := range refers {
		if i < edge || i >= len(refers)-edge {
			cited = append(cited, c.Key)
		}
	}
	look = slices.Concat(answers, refers, itself)
	if t.Subject != "" {
		k := key('s', scope, t.Subject, a.Members)
		look = append(look, Clue{k, "Subject", t.Subject})
		cited = append(cited, k)
	}
	return look, own, cited
}

// canonicalID is the form in which ids are compared: a plain quoted left side is
// unquoted and the right side lower-cased. The left side's case counts.
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

// key hashes each part with its length, so that no two lists of parts run
// together. kind keeps ids and subjects apart.
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
