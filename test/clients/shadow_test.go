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

	"heyrelay/test/process"
)

// shadowConfig is filled with the listener, the API and the next hop.
const shadowConfig = `
hostname: relay.example.com
listeners: [{address: %q}]
heymarket: {base_url: %q}
teams: {shop: {secrets: [{id: demo, key_file: key}]}}
routes: [{name: support, inbox: 202, creator_id: 55, shadow: {next: "smtp://%s"}}]
`

// shadow is a relay that passes its mail on.
type shadow struct {
	t                         *testing.T
	binary, dir, address, api string
}

func startShadow(t *testing.T, next string) shadow {
	t.Helper()
	process.Need(t, "swaks")
	s := shadow{t: t, binary: process.Build(t), dir: t.TempDir(), address: process.FreeAddress(t)}
	s.api = process.StartSandbox(t, s.binary)
	for name, text := range map[string]string{
		"key":           "not-a-secret",
		"heyrelay.yaml": fmt.Sprintf(shadowConfig, s.address, s.api, next),
	} {
		err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	process.Start(t, s.binary, "serve", "-c", filepath.Join(s.dir, "heyrelay.yaml")).Await(`msg=listening`)
	t.Cleanup(func() {
		if n := len(process.Messages(t, s.api)); n > 0 {
			t.Errorf("the API has %d messages", n)
		}
	})
	return s
}

// swaks sends a mail and returns the dialogue. It fails where the mail is refused.
func (s shadow) swaks(args ...string) (out string, err error) {
	args = append([]string{"--server", s.address, "--from", "app@example.com"}, args...)
	text, err := exec.Command("swaks", args...).CombinedOutput()
	return string(text), err
}

// list returns what was recorded.
func (s shadow) list() string {
	s.t.Helper()
	return run(s.t, s.dir, s.binary, "queue", "list", "-c", "heyrelay.yaml", "--state", "shadowed")
}

// commands runs the command lines of docs/shadow.md, which write n bodies with a title.
func (s shadow) commands(n int, title string) {
	s.t.Helper()
	page, err := os.ReadFile("../../docs/shadow.md")
	if err != nil {
		s.t.Fatal(err)
	}
	lines := regexp.MustCompile("(?m)^ +```sh\n +(.*)\n +```$").FindAllStringSubmatch(string(page), -1)
	if len(lines) != 3 {
		s.t.Fatalf("%d command lines", len(lines))
	}
	for i, line := range lines {
		command := line[1]
		if i == 1 {
			command = "! " + command // nothing would have been refused
		}
		process.Shell(s.t, s.binary, s.dir, command, "HEYRELAY_CONFIG=heyrelay.yaml")
	}
	posts, err := os.ReadFile(filepath.Join(s.dir, "would-be.jsonl"))
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
	err := os.WriteFile(filepath.Join(s.dir, "mail"), []byte(head+"\n"+body), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.swaks("--to", "ann@example.com,blind@example.com", "--data", "@"+filepath.Join(s.dir, "mail"))
	if err != nil || !strings.Contains(out, "<-  250 2.0.0 Ok\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := os.ReadDir(dumps)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	got, err := os.ReadFile(filepath.Join(dumps, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	trace := regexp.MustCompile(`(?m)^Received: from \S+ \(\[127\.0\.0\.1\]\)\n` +
		`\tby relay\.example\.com \(heyrelay\) with ESMTP id \w+; .*\n`)
	if n := len(trace.FindAll(got, -1)); n != 1 {
		t.Errorf("%d Received fields of heyrelay in\n%s", n, got)
	}
	_, content, _ := bytes.Cut(trace.ReplaceAll(got, []byte("HERE\n")), []byte("HERE\n"))
	if string(content) != head+"\n"+body+"\n\n" { // swaks adds a line at the end, and so does the sink
		t.Errorf("arrived\n%q\nwant\n%q", content, head+"\n"+body)
	}
	s.commands(2, "Gr\u00fc\u00dfe")
	want := regexp.MustCompile(`shadowed .* support .* ann@example.com +Grüße +smtp://\S+ replied 250 2\.0\.0 Ok\n`)
	if list := s.list(); !want.MatchString(list) || strings.Count(list, "Grüße") != 2 {
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
		if out, err := s.swaks("--to", to); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", to, err, out)
		}
	}
	out, err := s.swaks("--to", "ann@example.com", "--header", "Subject: spam")
	if err == nil || !strings.Contains(out, "<** 550 5.7.1 no spam\n") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = s.swaks("--to", "ann@example.com", "--body", strings.Repeat("too large\n", 12_000))
	if err == nil || !regexp.MustCompile(`<\*\* 552 5\.3\.4 `).MatchString(out) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = s.swaks("--to", "ann@example.com,gone@example.com", "--header", "Subject: Printer")
	queued := regexp.MustCompile(`<-  250 2\.0\.0 Ok: queued as (\w+)\n`).FindStringSubmatch(out)
	if err != nil || queued == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list := s.list()
	if strings.Count(list, "shadowed") != 1 || !strings.Contains(list, "replied 250 2.0.0 Ok: queued as "+queued[1]) {
		t.Errorf("listed\n%s", list)
	}
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), queued[1]+": client=") {
		t.Errorf("Postfix's log has no %s (%v)", queued[1], err)
	}
	run(t, dumps, "sh", "-c", "for i in $(seq 100); do grep -l '^Subject: Printer' * && exit; sleep 0.1; done; exit 1")
}
