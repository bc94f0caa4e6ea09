package clients

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"heyrelay/test/process"
)

// smarthostConfig is filled with the listener, the API and the smarthost.
const smarthostConfig = `
hostname: relay.example.com
listeners: [{address: %q}]
heymarket: {base_url: %q}
teams: {shop: {secrets: [{id: demo, key_file: key}]}}
routes: [{name: support, inbox: 202, creator_id: 55, attachments: smarthost, smarthost: {next: "smtp://%s"}}]
delivery: {retry_initial: 1s}
`

// mailing is a relay from which messages with attachments leave by a smarthost.
type mailing struct {
	t                         *testing.T
	binary, dir, address, api string
	pdf                       string // a file to attach
}

func startMailing(t *testing.T, smarthost string) mailing {
	t.Helper()
	process.Need(t, "swaks")
	m := mailing{t: t, binary: process.Build(t), dir: t.TempDir(), address: process.FreeAddress(t)}
	m.pdf = filepath.Join(m.dir, "Rechnung.pdf")
	m.api = process.StartSandbox(t, m.binary)
	for name, text := range map[string]string{
		"key":           "not-a-secret",
		"heyrelay.yaml": fmt.Sprintf(smarthostConfig, m.address, m.api, smarthost),
		"Rechnung.pdf":  "%PDF-1.4\n" + strings.Repeat("\x00\xff\r\n.\n", 50_000),
	} {
		err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	process.Start(t, m.binary, "serve", "-c", filepath.Join(m.dir, "heyrelay.yaml")).Await(`msg=listening`)
	t.Cleanup(func() {
		if n := len(process.Messages(t, m.api)); n > 0 {
			t.Errorf("the API has %d messages", n)
		}
	})
	return m
}

// swaks sends the file to recipients, and returns the message as swaks sent it.
func (m mailing) swaks(to string, args ...string) []byte {
	m.t.Helper()
	args = append([]string{
		"--server", m.address, "--from", "app@example.com", "--to", to, "--body", "Anbei.",
		"--attach-type", "application/pdf", "--attach", "@" + m.pdf,
		"--header", "Message-Id: <1@app>", "--header", "Date: Sun, 01 Nov 2026 12:00:00 +0000",
	}, args...)
	out, err := exec.Command("swaks", args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("swaks: %v\n%.2000s", err, out)
	}
	var sent bytes.Buffer
	inside := false
	for line := range bytes.Lines(out) {
		switch text, ours := bytes.CutPrefix(line, []byte(" -> ")); {
		case !ours:
		case string(text) == "DATA\n":
			inside = true
		case string(text) == ".\n":
			inside = false
		case inside:
			sent.Write(text)
		}
	}
	return bytes.ReplaceAll(sent.Bytes(), []byte("\r\n"), []byte("\n")) // as the sink writes it
}

// await waits until what is listed matches.
func (m mailing) await(pattern string) {
	m.t.Helper()
	want := regexp.MustCompile(pattern)
	list := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		list = run(m.t, m.dir, m.binary, "queue", "list", "-c", "heyrelay.yaml")
		if want.MatchString(list) {
			return
		}
	}
	m.t.Fatalf("never listed %s:\n%s", pattern, list)
}

var trace = regexp.MustCompile(`(?m)^Received: from \S+ \(\[127\.0\.0\.1\]\)\n` +
	`\tby relay\.example\.com \(heyrelay\) with ESMTP id \w+(\n\tfor <[^>]*>)?; .*\n`)

// arrives waits for n mails in a directory of smtp-sink, and returns what follows heyrelay's Received.
func arrives(t *testing.T, dumps string, n int) (all [][]byte) {
	t.Helper()
	var files []os.DirEntry
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && len(files) < n; {
		time.Sleep(100 * time.Millisecond)
		files, _ = os.ReadDir(dumps)
	}
	if len(files) != n {
		t.Fatalf("%d mails arrived, want %d", len(files), n)
	}
	time.Sleep(200 * time.Millisecond) // the last is being written
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(dumps, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if found := len(trace.FindAll(got, -1)); found != 1 {
			t.Errorf("%d Received fields of heyrelay in\n%.1000s", found, got)
		}
		all = append(all, got[trace.FindIndex(got)[1]:])
	}
	return all
}

// difference shows where two texts begin to differ.
func difference(got, want []byte) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	from := max(0, i-100)
	const format = "%d octets, want %d; they differ at %d:\n%.300q\n%.300q"
	return fmt.Sprintf(format, len(got), len(want), i, got[from:], want[from:])
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
	if n := len(hidden.FindAll(sent, -1)); n != 2 {
		t.Fatalf("swaks sent %d hidden fields:\n%.1000s", n, sent)
	}
	want := append(hidden.ReplaceAll(sent, nil), '\n') // the sink adds a line
	for _, got := range arrives(t, dumps, 2) {
		if !bytes.Equal(got, want) {
			t.Errorf("arrived %s", difference(got, want))
		}
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
	text, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("450 4.2.1 Mailbox busy"), []byte("OK"))
	if err := os.WriteFile(main, text, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, m.dir, "postfix", "-c", config, "reload")
	m.await(`sent .*later@example.com`)
	for _, got := range arrives(t, dumps, 2) {
		if !bytes.HasSuffix(bytes.TrimRight(got, "\n"), bytes.TrimRight(sent, "\n")) {
			t.Errorf("arrived %s", difference(got, sent))
		}
	}
	if text, err := os.ReadFile(log); err != nil || bytes.Count(text, []byte("message-id=<1@app>")) != 2 {
		t.Errorf("Postfix took something else (%v):\n%s", err, text)
	}
}
