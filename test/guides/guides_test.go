package guides

import (
	"flag"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// guide is a page, its relay, and a directory to run it in.
type guide struct {
	t       *testing.T
	text    string
	relay   *process.Relay
	dir     string
	replace *strings.Replacer
}

// open reads a page and starts a relay for it, with the routes of the page's heyrelay.yaml
// if it has one.
func open(t *testing.T, name string) *guide {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs/guides", name))
	if err != nil {
		t.Fatal(err)
	}
	g := &guide{t: t, text: string(text), relay: process.StartRelay(t, process.Build(t)), dir: t.TempDir()}
	for _, block := range process.Blocks(g.text, "yaml") {
		if strings.HasPrefix(block, "routes:\n") {
			g.setRoutes(block + "\n")
		}
	}
	host, port, err := net.SplitHostPort(g.relay.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	g.replace = strings.NewReplacer("127.0.0.1]:2525", host+"]:"+port, "127.0.0.1:2525", g.relay.SMTP,
		"Port = 2525", "Port = "+port, "PORT = 2525", "PORT = "+port, "Port 2525", "Port "+port, ", 2525)", ", "+port+")")
	return g
}

// setRoutes restarts the relay with other routes.
func (g *guide) setRoutes(routes string) {
	g.t.Helper()
	config, err := os.ReadFile(g.relay.Config)
	if err != nil {
		g.t.Fatal(err)
	}
	changed := regexp.MustCompile(`(?m)^routes:\n(?: +.*\n)+`).ReplaceAllLiteralString(string(config), routes)
	err = os.WriteFile(g.relay.Config, []byte(changed), 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	g.relay.Serve.Stop()
	g.relay.Restart(g.t)
}

// blocks returns the fenced blocks of a language.
func (g *guide) blocks(language string) (all []string) {
	for _, block := range process.Blocks(g.text, language) {
		all = append(all, g.replace.Replace(block))
	}
	return all
}

// file writes a block to a file.
func (g *guide) file(name, text string) {
	g.t.Helper()
	err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
}

// run runs a shell command with heyrelay on the path.
func (g *guide) run(line string) {
	g.t.Helper()
	process.Shell(g.t, g.relay.Binary, g.dir, line, "SENDMAIL_RELAY="+g.relay.SMTP,
		"HEYRELAY_CONFIG="+g.relay.Config, `GIT_EDITOR=sed -i "s/[*][*][*].*HERE.*/Series/"`)
}

// thread fails the test unless the sandbox has these mails, by title or by a part of the text
// of a reply, all in one conversation. It returns the number of mails so far.
func (g *guide) thread(before int, opener string, replies ...string) int {
	g.t.Helper()
	all := process.AwaitMessages(g.t, g.relay.API, before+1+len(replies))[before:]
	if first := all[0].Request; first.ConvTitle != opener || len(first.Targets) == 0 {
		g.t.Errorf("the conversation is opened by %+v, want the title %q", first, opener)
	}
	for i, want := range replies {
		m := all[i+1]
		if m.ConvoID != all[0].ConvoID || m.Request.ConvoID != m.ConvoID || !strings.Contains(m.Request.RawText, want) {
			g.t.Errorf("the reply %q in conversation %d, want %d:\n%s", want, m.ConvoID, all[0].ConvoID, m.Request.RawText)
		}
	}
	return before + 1 + len(replies)
}

func TestPHP(t *testing.T) {
	process.Need(t, "php")
	g := open(t, "php.md")
	scripts := g.blocks("php")
	setting := g.blocks("ini")[0]
	g.file("mailer.php", scripts[0])
	g.run("php mailer.php")
	n := g.thread(0, "Your order 17", "Subject: Your order 17 was sent")
	g.file("mail.php", scripts[1])
	g.file("php.ini", setting+"\n")
	g.run("php -c php.ini mail.php")
	g.thread(n, "Your order 18", "Subject: Your order 18 was sent")
}

// python is Debian's, which has Debian's Django.
const python = "/usr/bin/python3"

func TestPython(t *testing.T) {
	process.Need(t, python)
	g := open(t, "python.md")
	scripts := g.blocks("python")
	g.file("settings.py", scripts[0])
	g.file("thread.py", scripts[1])
	g.run("DJANGO_SETTINGS_MODULE=settings PYTHONPATH=. " + python + " thread.py")
	n := g.thread(0, "Your order 17", "Subject: Your order 17 was sent")
	g.file("smtp.py", scripts[2])
	g.run(python + " smtp.py")
	g.thread(n, "Your order 18", "Subject: Your order 18 was sent")
}

func TestAlertmanager(t *testing.T) {
	process.Need(t, "prometheus-alertmanager", "amtool")
	g := open(t, "alertmanager.md")
	quick := strings.Replace(g.blocks("yaml")[0], "  receiver: ops\n",
		"  receiver: ops\n  group_wait: 100ms\n  group_interval: 200ms\n", 1)
	g.file("alertmanager.yml", quick)
	web := process.FreeAddress(t)
	p := process.Start(t, "prometheus-alertmanager", "--config.file", filepath.Join(g.dir, "alertmanager.yml"),
		"--storage.path", filepath.Join(g.dir, "data"), "--web.listen-address", web, "--cluster.listen-address=")
	p.Await(`msg=Listening|Listening on`)
	commands := strings.Split(strings.ReplaceAll(g.blocks("sh")[0], "127.0.0.1:9093", web), "\n")
	g.run(commands[0])
	process.AwaitMessages(t, g.relay.API, 1)
	g.run(commands[1])
	g.thread(0, "[FIRING:1] DiskFull (db1)", "[1] Resolved")
}

func TestGit(t *testing.T) {
	process.Need(t, "git")
	g := open(t, "git.md")
	g.run("git init -q . && for i in 1 2; do echo $i >file$i; git add file$i; git commit -qm \"patch $i\"; done")
	g.run("echo 0 >file0 && git add file0 && git commit -qm 'patch 0' && git rebase -q --root")
	commands := g.blocks("sh")
	g.run(commands[0])
	g.run(commands[1])
	all := process.AwaitMessages(t, g.relay.API, 3)
	for i, m := range all {
		want := all[0].ConvoID
		if m.ConvoID != want || i > 0 && m.Request.Targets != nil {
			t.Errorf("mail %d is in conversation %d, want %d: %+v", i, m.ConvoID, want, m.Request)
		}
	}
	g.run(commands[2])
	process.AwaitMessages(t, g.relay.API, 4)
	g.run("git config --global --unset sendemail.smtpServer")
	g.run(`git config --global sendemail.sendmailCmd "heyrelay sendmail"`)
	g.run(commands[2])
	process.AwaitMessages(t, g.relay.API, 5)
}

func TestPostfix(t *testing.T) {
	process.Need(t, "swaks")
	g := open(t, "postfix.md")
	postfix, _, _ := process.StartPostfix(t, g.blocks("cf")[0])
	commands := strings.Split(g.blocks("sh")[0], "\n")
	for i, line := range commands {
		g.run(strings.ReplaceAll(line, "127.0.0.1:25", postfix))
		process.AwaitMessages(t, g.relay.API, i+1)
	}
	g.thread(0, "Your order 17", "Subject: Your order 17 was sent")
}

var requestTracker = flag.Bool("request-tracker", false, "run Request Tracker, which is installed with SQLite")

// tickets creates a ticket and answers it twice.
const tickets = `use strict; use lib '/usr/share/request-tracker5/lib';
use RT -init;
my $mail = MIME::Entity->build(Subject => 'Printer on fire', From => 'ann@example.com', Data => ['It burns.']);
my ($id) = RT::Ticket->new(RT->SystemUser)->Create(Queue => 'General', Requestor => ['ann@example.com'],
	Subject => 'Printer on fire', MIMEObj => $mail);
my $ticket = RT::Ticket->new(RT::CurrentUser->new('root'));
$ticket->Load($id);
$ticket->Correspond(Content => "Answer $_.") for 1, 2;
`

// Request Tracker's reply to a requestor, and the answers of its staff, are one conversation.
func TestRequestTracker(t *testing.T) {
	if !*requestTracker {
		t.Skip("it takes 55 MB: -request-tracker runs it")
	}
	g := open(t, "request-tracker.md")
	g.run("cp -r /etc/request-tracker5 rt")
	settings := strings.ReplaceAll(g.blocks("perl")[0], "/usr/bin/heyrelay", g.relay.Binary)
	g.file("rt/RT_SiteConfig.d/70-heyrelay.pm", settings)
	g.file("tickets.pl", tickets)
	g.run("RT_SITE_CONFIG_DIR=$PWD/rt/RT_SiteConfig.d RT_SITE_CONFIG=$PWD/rt/RT_SiteConfig.pm perl tickets.pl")
	all := process.AwaitMessages(t, g.relay.API, 3)
	g.thread(0, all[0].Request.ConvTitle, "Answer 1.", "Answer 2.")
	if !strings.HasSuffix(all[0].Request.ConvTitle, "AutoReply: Printer on fire") {
		t.Errorf("opened by %+v", all[0].Request)
	}
}

// The commands with which docs/troubleshooting.md begins work.
func TestTroubleshooting(t *testing.T) {
	g := open(t, "../troubleshooting.md")
	g.run(g.blocks("sh")[0])
}

// Each page is run by a test, or says in its heading that it is not, or not each time.
func TestEveryGuideIsRun(t *testing.T) {
	run := []string{"php.md", "python.md", "alertmanager.md", "git.md", "postfix.md"}
	files, err := os.ReadDir("../../docs/guides")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join("../../docs/guides", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		heading, _, _ := strings.Cut(string(text), "\n")
		seldom := strings.HasSuffix(heading, ": not tested") || strings.HasSuffix(heading, ": tested by hand")
		if slices.Contains(run, f.Name()) == seldom {
			t.Errorf("%s is run by no test, or says so wrongly: %q", f.Name(), heading)
		}
	}
}
