package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/threading"
)

// identify sets what makes another message a duplicate of this one: the
// application's key if it gave one, else the content.
func (p planner) identify(m *spool.Message, s *submission, rcpt []string, raw []byte) {
	key, in := s.control.key, scope(s.route)
	longest := p.cfg.Delivery.Dedupe.Std()
	m.DuplicateSince, m.WeakFingerprint = duplicateWindow(s.env.Received, s.header, key != "", longest)
	if key == "" {
		m.Fingerprint = fingerprint(in, s.env.From, rcpt, raw)
		return
	}
	m.Fingerprint = keyFingerprint(in, key)
	m.ContentDigest = contentDigest(m)
}

// digestFiles sets the digest of a message with files: the links of a repeat are others, while its
// files are the same.
func (s *submission) digestFiles(m *spool.Message, raw []byte, l *linker) error {
	o := s.conversion()
	o.Link = l.digests()
	if m.Smarthost {
		o.Link = linkContent
		o.Attachments = mimeconv.Link
		o.InlineImages = mimeconv.Drop
		o.MaxBody = 0
	}
	body, err := mimeconv.Convert(raw, o)
	same := *m
	same.HTML = body.HTML
	same.Text = body.Text
	m.ContentDigest = contentDigest(&same)
	return err
}

// duplicateWindow returns since when an equal message counts as the application's
// own retry, and whether only if the client did not receive its 250. A Message-ID
// with a plausible Date distinguishes messages for days, and so does a key of the
// application. Some devices send a constant Message-ID and have a dead clock; without
// a Message-ID two equal alarms in a row are two messages.
func duplicateWindow(
	now time.Time, h *mimeconv.Header, keyed bool, longest time.Duration,
) (since time.Time, weak bool) {
	const short, plausible = 10 * time.Minute, 7 * 24 * time.Hour
	if longest == 0 {
		return time.Time{}, false
	}
	if keyed || h.HasMessageID && !h.Date.IsZero() && now.Sub(h.Date).Abs() <= plausible {
		return now.Add(-longest), false
	}
	return now.Add(-min(short, longest)), !h.HasMessageID
}

// traceFields are added on the way, and so differ between two submissions of one
// message (RFC 5321, section 4.4, and what forwarders add).
var traceFields = []string{
	"received", "return-path", "delivered-to", "x-original-to", "received-spf", "authentication-results",
}

// fingerprint identifies a message by its content: scope, sender, recipients, and
// the raw message without trace fields, with LF as line ending. It copies nothing.
func fingerprint(scope, from string, rcpt []string, raw []byte) spool.Fingerprint {
	h := sha256.New()
	writePart(h, scope)
	writePart(h, from)
	writePart(h, strings.Join(slices.Compact(sorted(rcpt, "")), " "))
	body := writeFields(h, raw)
	if len(body) > 0 {
		writeLength(h, len(body)-bytes.Count(body, crlf))
		writeLines(h, body)
	}
	return spool.Fingerprint(h.Sum(nil))
}

var crlf = []byte("\r\n")

// writeFields writes the header without trace fields, and returns what follows it: the empty
// line and the body.
func writeFields(h hash.Hash, raw []byte) []byte {
	skip := false
	for len(raw) > 0 {
		line := firstLine(raw)
		if line[0] == '\n' || bytes.HasPrefix(line, crlf) {
			break
		}
		if line[0] != ' ' && line[0] != '\t' { // the first line of a field
			name, _, _ := bytes.Cut(line, []byte(":"))
			skip = slices.Contains(traceFields, strings.ToLower(string(bytes.TrimSpace(name))))
		}
		if !skip {
			writeLines(h, line)
		}
		raw = raw[len(line):]
	}
	return raw
}

// writeLines writes text with LF for each CRLF.
func writeLines(h hash.Hash, text []byte) {
	for {
		i := bytes.Index(text, crlf)
		if i < 0 {
			h.Write(text)
			return
		}
		h.Write(text[:i])
		text = text[i+1:]
	}
}

// firstLine returns the first line of text, with its LF.
func firstLine(text []byte) []byte {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	return text
}

// keyFingerprint identifies a message by an idempotency key of its application. It
// never equals a fingerprint of content.
func keyFingerprint(scope, key string) spool.Fingerprint {
	h := sha256.New()
	h.Write([]byte("key"))
	writePart(h, scope)
	writePart(h, key)
	return spool.Fingerprint(h.Sum(nil))
}

// contentDigest is a digest of what goes to the API: recipients, title and bodies.
func contentDigest(m *spool.Message) spool.Fingerprint {
	var all []string
	for _, r := range m.Requests {
		recipients := slices.Concat(sorted(r.To, "to:"), sorted(r.Cc, "cc:"))
		slices.Sort(recipients)
		all = append(all, strings.Join(recipients, " "))
	}
	slices.Sort(all)
	h := sha256.New()
	for _, p := range []string{strings.Join(all, "\n"), m.Title, m.HTML, m.Text} {
		writePart(h, p)
	}
	return spool.Fingerprint(h.Sum(nil))
}

// sorted returns addresses in canonical form, each with a prefix.
func sorted(addrs []string, prefix string) []string {
	var all []string
	for _, a := range addrs {
		all = append(all, prefix+threading.Canonical(a))
	}
	slices.Sort(all)
	return all
}

// writePart writes a part with its length, so that no two lists of parts are equal.
func writePart(h hash.Hash, part string) {
	writeLength(h, len(part))
	h.Write([]byte(part))
}

func writeLength(h hash.Hash, length int) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(length))
	h.Write(n[:])
}
