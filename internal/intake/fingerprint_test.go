package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// A fingerprint lives in the spool for as long as its message can be repeated, so it stays the
// same from one version to the next.
func TestFingerprintStays(t *testing.T) {
	raw := "Received: from a\r\n\tby b\r\nFrom: a@example.com\r\nSubject: x\r\n y\r\n\r\nHello\r\n\r\nAnn\r\n"
	got := fingerprint("shop/202", "a@example.com", []string{"b@example.com"}, []byte(raw))
	const want = "5868678e6798f14591aafe7a65e85e9fce6362962bcac00e4eb4bd4ac67e7fab"
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("%x, want %s", got, want)
	}
}

// What servers on the way add is no part of a message; any other field is.
func TestFingerprintWithoutTrace(t *testing.T) {
	const raw = "Subject: x\r\n\r\nHello\r\n"
	with := func(name string) spool.Fingerprint {
		return fingerprint("s", "a", []string{"b@example.com"}, []byte(name+": 1\r\n\t2\r\n"+raw))
	}
	for _, name := range []string{
		"Received", "RETURN-PATH", "Delivered-To", "X-Original-To", "Received-SPF", "Authentication-Results",
	} {
		if with(name) != fingerprint("s", "a", []string{"b@example.com"}, []byte(raw)) {
			t.Errorf("%s makes another message of it", name)
		}
	}
	if with("Comments") == with("Received") {
		t.Error("a field of the message does not count")
	}
}

// The fingerprint is that of the message with LF as line ending, whatever CRs and LFs it has.
func TestFingerprintOfAnyLines(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{"\r", "\n", "\r\n", "\r\n\r\n", " ", "Received: a", "Subject: b", "x", ":"}
	for range 20_000 {
		var raw strings.Builder
		for range random.IntN(12) {
			raw.WriteString(pieces[random.IntN(len(pieces))])
		}
		rcpt := []string{"b@example.com"}
		got := fingerprint("s", "a", rcpt, []byte(raw.String()))
		if want := copiedFingerprint("s", "a", rcpt, []byte(raw.String())); got != want {
			t.Fatalf("%q: %x, want %x", raw.String(), got, want)
		}
	}
}

// copiedFingerprint is an independent implementation, which copies the message.
func copiedFingerprint(scope, from string, rcpt []string, raw []byte) spool.Fingerprint {
	h := sha256.New()
	writePart(h, scope)
	writePart(h, from)
	writePart(h, strings.Join(rcpt, " "))
	isTrace := false
	raw = bytes.ReplaceAll(raw, crlf, []byte("\n"))
	for line := range bytes.Lines(raw) {
		if line[0] == '\n' {
			writePart(h, string(raw))
			break
		}
		raw = raw[len(line):]
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(string(line), ":")
			isTrace = slices.Contains(traceFields, strings.ToLower(strings.TrimSpace(name)))
		}
		if !isTrace {
			h.Write(line)
		}
	}
	return spool.Fingerprint(h.Sum(nil))
}
