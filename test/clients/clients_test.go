package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// run runs a program in dir and returns what it said.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = process.Home(dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// The demo's own lines, pasted: a mail and a reply with swaks.
func TestDemoWithSwaks(t *testing.T) {
	process.Need(t, "swaks")
	demo := process.Start(t, process.Build(t), "demo")
	api := strings.TrimSuffix(demo.Await(`accepted +(http://\S+)`), "/sandbox/messages")
	demo.Await("Press Ctrl-C")
	commands := regexp.MustCompile(`(?m)^ +(swaks (?:.*\\\n)*.*)$`).FindAllStringSubmatch(demo.Output(), -1)
	for _, command := range commands {
		out := run(t, t.TempDir(), "sh", "-c", command[1])
		if !regexp.MustCompile(`250 2\.0\.0 Ok: queued as [0-9A-Z]{16}\n`).MatchString(out) {
			t.Errorf("no queue id in\n%s", out)
		}
	}
	all := process.AwaitMessages(t, api, 2)
	mail, reply := all[0].Request, all[1].Request
	if !slices.Equal(mail.Targets, []string{"to:alice@example.com"}) || mail.ConvTitle != "Printer on fire" ||
		!strings.Contains(mail.Text, "It burns.") || !strings.Contains(mail.RawText, "It burns.") ||
		mail.LocalID == "" {
		t.Errorf("the mail: %+v", mail)
	}
	if reply.ConvoID != all[0].ConvoID || reply.Targets != nil || reply.LocalID == mail.LocalID {
		t.Errorf("the reply: %+v, want convo_id %d and no targets", reply, all[0].ConvoID)
	}
	if code := demo.Stop(); code != 0 {
		t.Errorf("the demo ended with %d", code)
	}
}

// A series of five patches with a cover letter: one conversation, six messages,
// in order.
func TestGitSendEmail(t *testing.T) {
	process.Need(t, "git")
	if _, err := os.Stat("/usr/lib/git-core/git-send-email"); err != nil {
		process.Need(t, "git-send-email")
	}
	r := process.StartRelay(t, process.Build(t))
	repo := t.TempDir()
	run(t, repo, "git", "init", "-q")
	for i := range 6 {
		if err := os.WriteFile(filepath.Join(repo, "file"), []byte(fmt.Sprintln("line", i)), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, repo, "git", "add", "file")
		run(t, repo, "git", "commit", "-q", "-m", fmt.Sprintf("Change the line for the %d. time", i))
	}
	run(t, repo, "git", "format-patch", "-q", "--cover-letter", "-o", "out", "HEAD~5")
	cover := filepath.Join(repo, "out", "0000-cover-letter.patch")
	text, err := os.ReadFile(cover)
	if err != nil {
		t.Fatal(err)
	}
	places := strings.NewReplacer("*** SUBJECT HERE ***", "A series", "*** BLURB HERE ***", "Six mails.")
	filled := places.Replace(string(text))
	if err := os.WriteFile(cover, []byte(filled), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(r.SMTP, ":")
	run(t, repo, "git", "send-email", "--smtp-server="+host, "--smtp-server-port="+port, "--from=ada@example.com",
		"--to=list@example.com", "--suppress-cc=all", "--confirm=never", "--thread", "--no-chain-reply-to", "out")
	all := process.AwaitMessages(t, r.API, 6)
	if len(all) != 6 {
		t.Fatalf("%d messages", len(all))
	}
	for i, m := range all {
		if m.ConvoID != all[0].ConvoID {
			t.Errorf("message %d is in conversation %d, the first in %d", i, m.ConvoID, all[0].ConvoID)
		}
		want := fmt.Sprintf("Subject: [PATCH %d/5] Change the line for the %d. time", i, i)
		if i == 0 {
			want = "Six mails."
		}
		if !strings.Contains(m.Request.RawText, want) {
			t.Errorf("message %d: no %q in %q", i, want, m.Request.RawText)
		}
	}
}

const smtplib = `
import smtplib, sys
from email.message import EmailMessage
m = EmailMessage()
m["From"], m["To"], m["Cc"] = "app@example.com", "Jürgen <juergen@example.com>, bob@example.com", "carl@example.com"
m["Subject"] = "Grüße aus Köln"
m.set_content("Schöne Grüße, 5 €.")
m.add_alternative("<p>Schöne <b>Grüße</b>, 5 €.</p>", subtype="html")
host, port = sys.argv[1].split(":")
with smtplib.SMTP(host, int(port)) as s:
    s.send_message(m)
`

// multipart/alternative with umlauts to two To and one Cc: one request.
func TestSmtplib(t *testing.T) {
	process.Need(t, "python3")
	r := process.StartRelay(t, process.Build(t))
	run(t, t.TempDir(), "python3", "-c", smtplib, r.SMTP)
	all := process.AwaitMessages(t, r.API, 1)
	if len(all) != 1 {
		t.Fatalf("%d requests, want 1", len(all))
	}
	m := all[0].Request
	want := []string{"to:juergen@example.com", "to:bob@example.com", "cc:carl@example.com"}
	if !slices.Equal(m.Targets, want) {
		t.Errorf("targets %q, want %q", m.Targets, want)
	}
	if m.ConvTitle != "Grüße aus Köln" || !strings.Contains(m.Text, "<p>Schöne <b>Grüße</b>, 5 €.</p>") ||
		strings.TrimSpace(m.RawText) != "Schöne Grüße, 5 €." {
		t.Errorf("title %q, text %q, raw_text %q", m.ConvTitle, m.Text, m.RawText)
	}
}
