package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// shadow is a relay that passes its mail on.
type shadow struct {
	*process.Relay
	t *testing.T
}

func startShadow(t *testing.T, next string) shadow {
	t.Helper()
	return shadow{startHanding(t, fmt.Sprintf(`shadow: {next: "smtp://%s"}`, next)), t}
}

// list returns what was recorded.
func (s shadow) list() string {
	s.t.Helper()
	return s.Command(s.t, "queue", "list", "--state", "shadowed")
}

// commands runs the command lines of docs/shadow.md, which write n bodies with a title.
func (s shadow) commands(n int, title string) {
	s.t.Helper()
	page, err := os.ReadFile("../../docs/shadow.md")
	if err != nil {
		s.t.Fatal(err)
	}
	lines := process.Blocks(string(page), "sh")
	if len(lines) != 3 {
		s.t.Fatalf("%d command lines", len(lines))
	}
	for i, line := range lines {
		if i == 1 {
			line = "! " + line // nothing would have been refused
		}
		process.Shell(s.t, s.Binary, s.Dir, line, "HEYRELAY_CONFIG=heyrelay.yaml")
	}
	posts, err := os.ReadFile(filepath.Join(s.Dir, "would-be.jsonl"))
	if err != nil || strings.Count(string(posts), `"conv_title":"`+title+`"`) != n {
		s.t.Errorf("%v, want %d bodies with the title %s:\n%s", err, n, title, posts)
	}
}

// swaks through heyrelay to smtp-sink: the mail arrives byte for byte, but for one Received,
// the sink's reply comes back, and what would have been sent is listed.
func TestShadowSink(t *testing.T) {
	sink, dumps := process.StartSink(t, "-8")
	s := startShadow(t, sink)
	const head = "From: app@example.com\nTo: ann@example.com\nSubject: Gr\xc3\xbc\xc3\x9fe\nMessage-ID: <1@app>\n"
	body := ".a dot\n..\n8 bits: \xe4\xf6\xfc\xff\n" + strings.Repeat("0123456789", 300) + "\nFrom here\n"
	file := filepath.Join(s.Dir, "mail")
	err := os.WriteFile(file, []byte(head+"\n"+body), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	out, err := process.Swaks(t, s.SMTP, "--to", "ann@example.com,blind@example.com", "--data", "@"+file)
	if err != nil || !strings.Contains(out, "<-  250 2.0.0 Ok\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	want := head + "\n" + body + "\n\n" // swaks adds a line at the end, and so does the sink
	sameBehindTrace(t, arrived(t, dumps, 1)[0], want)
	s.commands(2, "Gr\u00fc\u00dfe")
	listed := regexp.MustCompile(`shadowed .* support .* ann@example.com +Grüße +smtp://\S+ replied 250 2\.0\.0 Ok\n`)
	if list := s.list(); !listed.MatchString(list) || strings.Count(list, "Grüße") != 2 {
		t.Errorf("listed\n%s", list)
	}
}

// A Postfix refuses one recipient permanently and one temporarily: the client gets its replies, and
// the mail goes to the others.
func TestShadowPostfix(t *testing.T) {
	sink, dumps := process.StartSink(t)
	_, port, _ := strings.Cut(sink, ":")
	postfix, _, log := process.StartPostfix(t, `relayhost = [127.0.0.1]:`+port+`
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{
    {gone@example.com = 550 5.1.1 No such user here}, {later@example.com = 450 4.2.1 Mailbox busy} }
message_size_limit = 100000
header_checks = regexp:{ {/^Subject: spam/ REJECT no spam} }`)
	s := startShadow(t, postfix)
	for to, want := range map[string]string{
		"gone@example.com":  "<** 550 5.1.1 <gone@example.com>: Recipient address rejected: No such user here\n",
		"later@example.com": "<** 450 4.2.1 <later@example.com>: Recipient address rejected: Mailbox busy\n",
	} {
		if out, err := process.Swaks(t, s.SMTP, "--to", to); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", to, err, out)
		}
	}
	out, err := process.Swaks(t, s.SMTP, "--to", "ann@example.com", "--header", "Subject: spam")
	if err == nil || !strings.Contains(out, "<** 550 5.7.1 no spam\n") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = process.Swaks(t, s.SMTP, "--to", "ann@example.com", "--body", strings.Repeat("too large\n", 12_000))
	if err == nil || !regexp.MustCompile(`<\*\* 552 5\.3\.4 `).MatchString(out) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = process.Swaks(t, s.SMTP, "--to", "ann@example.com,gone@example.com", "--header", "Subject: Printer")
	queued := regexp.MustCompile(`<-  250 2\.0\.0 Ok: queued as (\w+)\n`).FindStringSubmatch(out)
	if err != nil || queued == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list := s.list()
	if strings.Count(list, "shadowed") != 1 || !strings.Contains(list, "replied 250 2.0.0 Ok: queued as "+queued[1]) {
		t.Errorf("listed\n%s", list)
	}
	if text := awaitPostfix(t, log, 1); !strings.Contains(text, queued[1]+": client=") {
		t.Errorf("Postfix's log has no %s:\n%s", queued[1], text)
	}
	if got := arrived(t, dumps, 1)[0]; !strings.Contains(got, "\nSubject: Printer\n") {
		t.Errorf("arrived\n%s", got)
	}
}
