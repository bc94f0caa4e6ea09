package smtpd

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

// lineEnds returns all sequences of up to three CRs and LFs.
func lineEnds() []string {
	all := []string{""}
	for from, n := 0, 0; n < 3; n++ {
		to := len(all)
		for _, s := range all[from:to] {
			all = append(all, s+"\r", s+"\n")
		}
		from = to
	}
	return all
}

// smuggled is a second transaction in the content of a message.
const smuggled = "MAIL FROM:<evil@app.test>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nevil\r\n.\r\n"

// repaired is an independent implementation of the repair of line endings.
func repaired(s string) string {
	hasCR := regexp.MustCompile(`^[^\n]*\r[^\n]*[^\r\n][\r\n]*$`).MatchString(s)
	s = regexp.MustCompile(`\r*\n`).ReplaceAllString(s, "\n")
	header, body := s, ""
	if end := regexp.MustCompile(`(^|\n)\n`).FindStringIndex(s); end != nil {
		header, body = s[:end[1]], s[end[1]:]
	}
	if hasCR { // and no LF but at its end
		header, body = "", s
	}
	header = regexp.MustCompile(`(^|\n)\r+`).ReplaceAllString(header, "$1")
	header = regexp.MustCompile(`\r+`).ReplaceAllString(header, "\n")
	s = header + strings.ReplaceAll(body, "\r", "\n")
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// Only CRLF.CRLF ends DATA: after any other sequence around a dot, the rest is content and
// never a command.
func TestSmugglingDATA(t *testing.T) {
	smuggleDATA(t, open(t, Settings{}, &recorder{}), (*client).hello)
}

// The same over TLS.
func TestSmugglingTLS(t *testing.T) {
	smuggleDATA(t, openTLS(t, false, Settings{}, &recorder{}), func(c *client) {
		c.startTLS()
		c.hi()
	})
}

// smuggleDATA tries all line ends around a dot, each on a connection of its own.
func smuggleDATA(t *testing.T, h *house, hello func(*client)) {
	for _, before := range lineEnds() {
		for _, after := range lineEnds() {
			content := "hello" + before + "." + after
			ends := strings.HasSuffix(before, "\r\n") && strings.HasPrefix(after, "\r\n")
			seen := len(h.messages())
			c := h.dial(t)
			hello(c)
			c.data()
			c.put(content + smuggled)
			c.want("250 2.0.0 Ok: queued as ")
			c.drained()
			got := h.messages()[seen]

			switch {
			case got.From != "app@app.test" || len(got.Rcpt) != 1 || got.raw != repaired(got.raw):
				t.Errorf("%q: got %q of %s", content, got.raw, got.From)
			case ends && got.raw != repaired("hello"+before):
				t.Errorf("%q: CRLF.CRLF did not end it: %q", content, got.raw)
			case ends:
			case len(h.messages()) != seen+1, !strings.HasSuffix(got.raw, "<victim@example.com>\r\nDATA\r\nevil\r\n"):
				t.Errorf("%q: smuggled out of the content: %q", content, got.raw)
			}
		}
	}
}

// Whatever CRs, LFs and dots are in a message, wherever the network divides it: CRLF.CRLF ends it, and a
// dot that was doubled at the beginning of a line is one (RFC 5321, section 4.5.2).
func TestLinesOfData(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	h := open(t, Settings{}, &recorder{})
	c := h.dial(t)
	c.hello()
	for range 3000 {
		var b strings.Builder
		for range random.IntN(9) {
			b.WriteString([]string{"\r", "\n", "\r\n", ".", "x", "\r\r\n."}[random.IntN(6)])
		}
		content := "\r\n" + b.String() + "\r\n"
		if strings.Contains(content, "\r\n.\r\n") {
			continue
		}
		want := strings.ReplaceAll(content, "\r\n.", "\r\n")[2:]
		c.mail()
		c.put("DATA\r\n")
		c.want("354")
		sent := content[2:] + ".\r\n"
		cut := random.IntN(len(sent))
		c.put(sent[:cut])
		c.put(sent[cut:])
		c.want("250 2.0.0 Ok: queued as ")
		all := h.messages()
		if got := all[len(all)-1].raw; got != repaired(want) {
			t.Errorf("%q cut at %d: got %q, want %q", sent, cut, got, repaired(want))
		}
	}
}

// A dot does not end a BDAT message, wherever chunks are divided.
func TestSmugglingBDAT(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	c := h.dial(t)
	c.hello()
	for _, before := range lineEnds() {
		for _, after := range lineEnds() {
			content := "hello" + before + "." + after + smuggled
			for cut := 5; cut <= 6+len(before)+len(after); cut++ {
				c.mail()
				c.put(fmt.Sprintf("BDAT %d\r\n%s", cut, content[:cut]))
				c.put(fmt.Sprintf("BDAT %d LAST\r\n%s", len(content)-cut, content[cut:]))
				c.want("250 2.0.0 Continue", "250 2.0.0 Ok: queued as ")
				all := h.messages()
				if got := all[len(all)-1]; got.raw != repaired(content) || got.From != "app@app.test" {
					t.Fatalf("%q cut at %d: got %q", content, cut, got.raw)
				}
			}
		}
	}
	for _, m := range h.messages() {
		if m.From != "app@app.test" {
			t.Fatalf("smuggled: %+v", m)
		}
	}
}

// conn and go-smtp must agree on which command a chunk follows, or one would execute content
// as commands.
func TestChunkSize(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	for _, command := range []string{
		"BDAT 6", "bdat 6", "BDAT 6 LAST", "BDAT  6   last", "BDAT 06", "BDAT 6\tLAST", "BDAT 6 laſt",
		"BDAT", "BDAT6", "BDAT\t6", " BDAT 6", "BDAT +6", "BDAT -6", "BDAT 0x6", "BDAT 6 FIRST", "BDAT 6 LAST now",
		"BDAT LAST", "BDAT 6,LAST", "BDAT 4294967296", "BDATA 6", "BDA 6", "NOOP BDAT 6", "STARTTLS BDAT 6",
	} {
		c := h.dial(t)
		c.hello()
		c.put(command + "\r\nNOOP\r\nQUIT\r\n")
		c.line()
		taken := strings.HasPrefix(c.line(), "221 ")
		if size, ok := chunkSize([]byte(command + "\n")); taken != ok || taken != (size == 6) || !taken != (size == 0) {
			t.Errorf("%q: chunkSize %d, %v, but go-smtp took one: %v", command, size, ok, taken)
		}
	}
}
