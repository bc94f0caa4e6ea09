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

// handing is filled with more keys of the route.
const handing = `
teams: {shop: {secrets: [{id: demo, key_file: key}]}}
routes: [{name: support, inbox: 202, creator_id: 55, %s}]
delivery: {retry_initial: 1s}
`

// startHanding starts a relay whose route hands all mail to another server: the API gets none.
func startHanding(t *testing.T, keys string) *process.Relay {
	t.Helper()
	process.Need(t, "swaks")
	r := process.StartRelayWith(t, process.Build(t), fmt.Sprintf(handing, keys))
	t.Cleanup(func() {
		if n := len(process.Messages(t, r.API)); n > 0 {
			t.Errorf("the API has %d messages", n)
		}
	})
	return r
}

// arrived returns the n mails in a directory of smtp-sink.
func arrived(t *testing.T, dumps string, n int) (all []string) {
	t.Helper()
	files, err := os.ReadDir(dumps)
	if err != nil || len(files) != n {
		t.Fatalf("%d mails arrived, want %d (%v)", len(files), n, err)
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(dumps, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(got))
	}
	return all
}

// trace is the Received field of heyrelay in a mail to several recipients.
var trace = regexp.MustCompile(`(?m)^Received: from \S+ \(\[127\.0\.0\.1\]\)\n` +
	`\tby relay\.example\.com \(heyrelay\) with ESMTP id \w+; .*\n`)

// sameBehindTrace fails the test unless a mail has one trace, and what follows is as wanted.
func sameBehindTrace(t *testing.T, mail, want string) {
	t.Helper()
	parts := trace.Split(mail, -1)
	if len(parts) != 2 {
		t.Fatalf("%d Received fields of heyrelay in\n%.1000s", len(parts)-1, mail)
	}
	if got := parts[1]; got != want {
		t.Errorf("arrived %s", difference(got, want))
	}
}

// difference shows where two texts begin to differ.
func difference(got, want string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	from := max(0, i-100)
	const format = "%d octets, want %d; they differ at %d:\n%.300q\n%.300q"
	return fmt.Sprintf(format, len(got), len(want), i, got[from:], want[from:])
}

// awaitPostfix waits until Postfix has delivered n mails, and returns its log.
func awaitPostfix(t *testing.T, log string, n int) (text string) {
	t.Helper()
	process.Await(t, func() error {
		read, err := os.ReadFile(log)
		text = string(read)
		if sent := strings.Count(text, " status=sent "); err == nil && sent < n {
			err = fmt.Errorf("Postfix delivered %d mails, want %d:\n%s", sent, n, text)
		}
		return err
	})
	return text
}

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
