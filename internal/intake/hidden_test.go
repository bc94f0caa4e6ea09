package intake

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"heyrelay/smtpd"
)

// In these messages, the letters qz stand in addresses of hidden recipients only.
var hiddenRecipients = []string{"qzqz@qz.example", "zqzq@zq.example"}

// hiddenFields name hidden recipients, in the forms that programs write.
var hiddenFields = []string{
	"Bcc: qzqz@qz.example",
	"BCC : Qzqz <qzqz@qz.example>, zqzq@zq.example",
	"bcc:qzqz@qz.example,\r\n zqzq@zq.example",
	"Resent-Bcc: qzqz@qz.example",
	"X-Bcc: qzqz@qz.example",
	"Bcc:\r\n\tqzqz@qz.example",
	"resent-BCC\t: \"Qzqz\"\r\n <qzqz@qz.example>",
}

var otherFields = []string{
	"From: Shop <shop@example.com>",
	"To: Ann <ann@example.com>",
	"Cc: bob@example.com,\r\n Carl <carl@example.com>",
	"Subject: The report of\r\n today",
	"Message-ID: <1@example.com>",
	"References: <2@example.com>\r\n <3@example.com>",
	"X-Mailer: m",
	"MIME-Version: 1.0",
	"Content-Type: text/plain;\r\n charset=utf-8",
	"Received: from a\r\n by b; Mon, 1 Jan 2024 00:00:00 +0000",
}

// damages are what programs, gateways and attackers do to a field.
var damages = []func(field string, at int) string{
	func(f string, at int) string { return f[:at] + "\r" + f[at:] },
	func(f string, at int) string { return f[:at] + "\r\r" + f[at:] },
	func(f string, at int) string { return f[:at] + "\x00" + f[at:] },
	func(f string, at int) string { return f[:at] + "\ufeff" + f[at:] },
	func(f string, at int) string { return f[:at] + " " + f[at:] },
	func(f string, at int) string { return f[:at] + "\r\n " + f[at:] },
	func(f string, at int) string { return f[:at] + "\n" + f[at:] },
	func(f string, _ int) string { return strings.Replace(f, ":", "", 1) },
	func(f string, _ int) string { return strings.Replace(f, ":", " ", 1) },
	func(f string, _ int) string { return strings.Replace(f, "\r\n ", "\r\n", 1) },
	func(f string, _ int) string { return " " + f },
	func(f string, _ int) string { return "\t\x00 " + f },
	func(f string, _ int) string { return "\ufeff" + f },
	func(f string, _ int) string { return " \r\n" + f },
	func(f string, _ int) string { return "no field\r\n" + f },
	func(f string, _ int) string { return f + "\r" },
	func(f string, _ int) string { return f + "\r\n" + f },
	func(f string, _ int) string { return strings.ReplaceAll(f, "\r\n", "\r") },
}

// emptyLine is what ends a header: what follows is text, however it looks.
var emptyLine = regexp.MustCompile(`\n\r*\n`)

// otherName is the address bccqzqz@qz.example rather than a damaged Bcc.
var otherName = regexp.MustCompile(`(?i)bccqz`)

// damaged returns a damaged field, which does not end the header.
func damaged(field string, kind, at int) string {
	text := damages[kind](field, at)
	if emptyLine.MatchString("\n"+text+"\r\n") || otherName.MatchString(text) {
		return field
	}
	return text
}

// damagedMessage makes a message from choices. It ends early where they do.
func damagedMessage(choices []byte) string {
	next := func(n int) int {
		if len(choices) == 0 {
			return 0
		}
		c := int(choices[0])
		choices = choices[1:]
		return c % n
	}
	fields := slices.Clone(otherFields[:2+next(len(otherFields)-1)])
	for range 1 + next(2) {
		at := next(len(fields) + 1)
		fields = slices.Insert(fields, at, hiddenFields[next(len(hiddenFields))])
	}
	for range 1 + next(4) {
		i := next(len(fields))
		fields[i] = damaged(fields[i], next(len(damages)), next(len(fields[i])+1))
	}
	ends := []string{"\r\n", "\r\r\n", "\n", "\r", "\r\r"}
	var header strings.Builder
	for _, f := range fields {
		header.WriteString(f + ends[next(len(ends))])
	}
	return header.String() + "X-Last: x\r\n\r\nThe text.\r\n"
}

// checkHidden checks that nobody sees the address of a hidden recipient but itself.
func checkHidden(t *testing.T, p planner, rcpt []string, raw string) {
	t.Helper()
	env := &smtpd.Envelope{QueueID: "Q1", From: "app@example.com", Rcpt: rcpt, UTF8: true}
	plan, err := p.plan(env, []byte(raw))
	if err != nil {
		return // nothing is sent
	}
	m := plan.Message
	warnings, _ := json.Marshal(plan.Warnings)
	for _, shown := range []string{m.Title, m.BaseSubject, m.HTML, m.Text, string(warnings), string(m.Warnings)} {
		if isHidden(shown) {
			t.Fatalf("%q shows a hidden recipient\n%q", shown, raw)
		}
	}
	for _, r := range m.Requests {
		all := slices.Concat(r.To, r.Cc)
		if len(all) > 1 && slices.ContainsFunc(all, isHidden) {
			t.Fatalf("%q see each other\n%q", all, raw)
		}
		for _, name := range r.LookupNames {
			if isHidden(name) {
				t.Fatalf("%q is looked up\n%q", name, raw)
			}
		}
	}
}

func isHidden(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "qz") || strings.Contains(text, "zq")
}

// planners take recipients from the envelope and from the header.
func hiddenPlanners(t testing.TB) (byEnvelope, byHeader planner) {
	const headers = ", recipients: headers, relay_mailbox: relay@example.com, trust_headers: true}]"
	byEnvelope = testPlanner(parse(t, oneRoute))
	return byEnvelope, testPlanner(parse(t, strings.Replace(oneRoute, "}]", headers, 1)))
}

func checkDamaged(t *testing.T, byEnvelope, byHeader planner, raw string) {
	t.Helper()
	checkHidden(t, byEnvelope, slices.Concat([]string{"ann@example.com"}, hiddenRecipients), raw)
	checkHidden(t, byHeader, []string{"relay@example.com"}, raw)
}

// However a header is damaged, an address of a field that looks like Bcc is in no request,
// title, body or warning of others.
func TestDamagedHeaders(t *testing.T) {
	byEnvelope, byHeader := hiddenPlanners(t)
	const seed = 11
	random := rand.New(rand.NewPCG(seed, 0))
	for range 5_000 {
		choices := make([]byte, 40)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		checkDamaged(t, byEnvelope, byHeader, damagedMessage(choices))
	}
}

// Each damage, alone, at each place of each field with hidden recipients, behind each other field.
func TestDamagedBcc(t *testing.T) {
	byEnvelope, byHeader := hiddenPlanners(t)
	for _, hidden := range hiddenFields {
		for _, before := range []string{otherFields[1], otherFields[3], otherFields[8]} {
			for kind := range damages {
				for at := range len(hidden) {
					field := damaged(hidden, kind, at)
					end := []string{"\r\n", "\r"}[at%2]
					raw := otherFields[0] + "\r\n" + before + end + field + "\r\n\r\nThe text.\r\n"
					checkDamaged(t, byEnvelope, byHeader, raw)
				}
			}
		}
	}
}

func FuzzDamagedHeaders(f *testing.F) {
	byEnvelope, byHeader := hiddenPlanners(f)
	f.Add([]byte{9, 1, 4, 2, 5, 1, 3, 4, 0, 7, 3, 12, 1})
	f.Fuzz(func(t *testing.T, choices []byte) {
		checkDamaged(t, byEnvelope, byHeader, damagedMessage(choices))
	})
}
