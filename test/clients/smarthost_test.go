package clients

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// mailing is a relay from which messages with attachments leave by a smarthost.
type mailing struct {
	*process.Relay
	t *testing.T
}

func startMailing(t *testing.T, smarthost string) mailing {
	t.Helper()
	keys := fmt.Sprintf(`attachments: smarthost, smarthost: {next: "smtp://%s"}`, smarthost)
	return mailing{startHanding(t, keys), t}
}

// swaks sends a PDF to recipients, and returns the message as swaks sent it.
func (m mailing) swaks(to string, more ...string) string {
	m.t.Helper()
	pdf := []byte("%PDF-1.4\n" + strings.Repeat("\x00\xff\r\n.\n", 50_000))
	options := slices.Concat([]string{
		"--to", to, "--body", "Anbei.",
		"--header", "Message-Id: <1@app>", "--header", "Date: Sun, 01 Nov 2026 12:00:00 +0000",
	}, process.Attach(m.t, "Rechnung.pdf", "application/pdf", pdf), more)
	out, err := process.Swaks(m.t, m.SMTP, options...)
	if err != nil {
		m.t.Fatalf("swaks: %v\n%.2000s", err, out)
	}
	var sent strings.Builder
	inside := false
	for line := range strings.Lines(out) {
		switch text, ours := strings.CutPrefix(line, " -> "); {
		case !ours:
		case text == "DATA\n":
			inside = true
		case text == ".\n":
			inside = false
		case inside:
			sent.WriteString(text)
		}
	}
	return strings.ReplaceAll(sent.String(), "\r\n", "\n") // as the sink writes it
}

// await waits until what is listed matches.
func (m mailing) await(pattern string) {
	m.t.Helper()
	want := regexp.MustCompile(pattern)
	process.Await(m.t, func() error {
		if list := m.Command(m.t, "queue", "list"); !want.MatchString(list) {
			return fmt.Errorf("not listed %s:\n%s", pattern, list)
		}
		return nil
	})
}

// swaks with a PDF through heyrelay to smtp-sink: it arrives byte for byte, once for each recipient,
// and without the Bcc field; the API saw nothing.
func TestSmarthostSink(t *testing.T) {
	sink, dumps := process.StartSink(t, "-8")
	m := startMailing(t, sink)
	sent := m.swaks("ann@example.com,blind@example.com", "--header", "To: ann@example.com",
		"--header", "Bcc: blind@example.com", "--header", "X-Heymarket-Title: ours")
	m.await(`(?s)sent .*blind@example.com.*sent .*ann@example.com|sent .*ann@example.com.*sent .*blind@example.com`)
	hidden := regexp.MustCompile(`(?m)^(Bcc|X-Heymarket-Title): .*\n`)
	if n := len(hidden.FindAllString(sent, -1)); n != 2 {
		t.Fatalf("swaks sent %d hidden fields:\n%.1000s", n, sent)
	}
	want := hidden.ReplaceAllString(sent, "") + "\n" // the sink adds a line
	for _, got := range arrived(t, dumps, 2) {
		sameBehindTrace(t, got, want)
	}
}

// A Postfix refuses one recipient permanently and one temporarily, at first: one fails, the other is
// tried again, and each of the others arrives once.
func TestSmarthostPostfix(t *testing.T) {
	sink, dumps := process.StartSink(t, "-8")
	_, port, _ := strings.Cut(sink, ":")
	postfix, config, log := process.StartPostfix(t, `relayhost = [127.0.0.1]:`+port+`
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{
    {gone@example.com = 550 5.1.1 No such user here}, {later@example.com = 450 4.2.1 Mailbox busy} }
message_size_limit = 10000000`)
	m := startMailing(t, postfix)
	sent := m.swaks("ann@example.com,gone@example.com,later@example.com")
	m.await(`deferred .*later@example.com .*450 4\.2\.1 `)
	m.await(`failed .*gone@example.com .*550 5\.1\.1 `)
	m.await(`sent .*ann@example.com .*250 2\.0\.0 Ok: queued as `)
	main := filepath.Join(config, "main.cf")
	configuration, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	configuration = bytes.ReplaceAll(configuration, []byte("450 4.2.1 Mailbox busy"), []byte("OK"))
	if err := os.WriteFile(main, configuration, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, m.Dir, "postfix", "-c", config, "reload")
	m.await(`sent .*later@example.com`)
	text := awaitPostfix(t, log, 2)
	for _, got := range arrived(t, dumps, 2) {
		sameBehindTrace(t, strings.TrimRight(got, "\n"), strings.TrimRight(sent, "\n"))
	}
	if strings.Count(text, "message-id=<1@app>") != 2 {
		t.Errorf("Postfix took something else:\n%s", text)
	}
}
