package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// submission is a relay that serves nobody without a password, by STARTTLS and by TLS
// from the beginning, and a unix socket that serves this machine.
type submission struct {
	binary, dir, api   string
	start, tls, socket string // addresses
}

const password = "open sesame"

const submissionConfig = `
hostname: relay.example.com
listeners:
  - {address: %q, tls: starttls, allow: []}
  - {address: %q, tls: implicit, allow: []}
  - {address: "unix:%s"}
tls: {certificate: cert.pem, key: key.pem}
heymarket: {base_url: %q}
teams: {shop: {secrets: [{id: demo, key_file: key}], rate: 6000000/min}}
routes:
  - {name: user, inbox: 202, creator_id: 55, match: {user: redmine}}
  - {name: socket, inbox: 203, creator_id: 55}
spool: {url: "sqlite:%s", min_free: 1MB}
users:
`

func startSubmission(t *testing.T) submission {
	t.Helper()
	s := submission{
		binary: process.Build(t),
		dir:    t.TempDir(),
		start:  process.FreeAddress(t),
		tls:    process.FreeAddress(t),
	}
	s.socket = filepath.Join(s.dir, "smtp.sock")
	s.api = process.StartSandbox(t, s.binary)
	run(t, s.dir, s.binary, "cert", "127.0.0.1")
	passwd := exec.Command(s.binary, "passwd", "--stdin", "redmine")
	passwd.Stdin = strings.NewReader(password + "\n")
	user, err := passwd.Output()
	if err != nil {
		t.Fatal(err)
	}
	spool := filepath.Join(s.dir, "spool.db")
	config := fmt.Sprintf(submissionConfig, s.start, s.tls, s.socket, s.api, spool) + string(user)
	for name, text := range map[string]string{"key": "not-a-secret", "heyrelay.yaml": config} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	process.Start(t, s.binary, "serve", "-c", filepath.Join(s.dir, "heyrelay.yaml")).Await(`listening.*sock`)
	return s
}

// client is a program that sends the mail: a shell command line, in which START, IMPLICIT,
// HOST, STARTPORT, TLSPORT, PASSWORD and TITLE stand for what they say.
type client struct {
	title   string
	needs   string
	command string
	socket  bool // the mail comes without a user
}

// clients send by STARTTLS and by TLS from the beginning, with both mechanisms.
func clients() []client {
	swaks := "swaks --from app@example.com --to alice@example.com --h-Subject TITLE --body Hi. " +
		"-au redmine -ap 'PASSWORD' "
	curl := "printf 'From: app@example.com\\r\\nTo: alice@example.com\\r\\nSubject: TITLE\\r\\n\\r\\nHi.\\r\\n' | " +
		"curl -sS -k --mail-from app@example.com --mail-rcpt alice@example.com --user 'redmine:PASSWORD' -T - "
	msmtp := "printf 'From: app@example.com\\nTo: alice@example.com\\nSubject: TITLE\\n\\nHi.\\n' | " +
		"msmtp -C /dev/null --host=HOST --from=app@example.com --user=redmine " +
		"--passwordeval=\"echo 'PASSWORD'\" --tls=on --tls-certcheck=off "
	nail := "echo Hi. | s-nail -:/ -S v15-compat -S from=app@example.com -S tls-verify=ignore -S smtp-auth=plain "
	return []client{
		{title: "swaks-starttls-plain", needs: "swaks", command: swaks + "-s START -tls -a PLAIN"},
		{title: "swaks-starttls-login", needs: "swaks", command: swaks + "-s START -tls -a LOGIN"},
		{title: "swaks-implicit-plain", needs: "swaks", command: swaks + "-s IMPLICIT -tlsc -a PLAIN"},
		{
			title:   "swaks-implicit-login-pipelining",
			needs:   "swaks",
			command: swaks + "-s IMPLICIT -tlsc -a LOGIN --pipeline",
		},
		{title: "swaks-loopback-plaintext", needs: "swaks", command: swaks + "-s START -a PLAIN"},
		{title: "curl-starttls", needs: "curl", command: curl + "--ssl-reqd smtp://START/app.test"},
		{title: "curl-implicit", needs: "curl", command: curl + "smtps://IMPLICIT/app.test"},
		{
			title:   "msmtp-starttls-plain",
			needs:   "msmtp",
			command: msmtp + "--port=STARTPORT --tls-starttls=on --auth=plain alice@example.com",
		},
		{
			title:   "msmtp-implicit-login",
			needs:   "msmtp",
			command: msmtp + "--port=TLSPORT --tls-starttls=off --auth=login alice@example.com",
		},
		{
			title:   "s-nail-starttls",
			needs:   "s-nail",
			command: nail + "-S mta=smtp://redmine:open%20sesame@START -S smtp-use-starttls -s TITLE alice@example.com",
		},
		{
			title:   "s-nail-implicit",
			needs:   "s-nail",
			command: nail + "-S mta=smtps://redmine:open%20sesame@IMPLICIT -s TITLE alice@example.com",
		},
		{title: "smtplib-starttls", needs: "python3", command: `python3 -c '
import smtplib, ssl
with smtplib.SMTP("HOST", STARTPORT) as s:
    s.starttls(context=ssl._create_unverified_context())
    s.login("redmine", "PASSWORD")
    s.sendmail("app@example.com", ["alice@example.com"], "Subject: TITLE\nTo: alice@example.com\n\nHi.")
'`},
		{title: "smtplib-implicit", needs: "python3", command: `python3 -c '
import smtplib, ssl
with smtplib.SMTP_SSL("HOST", TLSPORT, context=ssl._create_unverified_context()) as s:
    s.login("redmine", "PASSWORD")
    s.sendmail("app@example.com", ["alice@example.com"], "Subject: TITLE\nTo: alice@example.com\n\nHi.")
'`},
		{title: "phpmailer-starttls", needs: "php", command: phpMailer("tls", "STARTPORT")},
		{title: "phpmailer-implicit", needs: "php", command: phpMailer("ssl", "TLSPORT")},
		{title: "nodemailer-starttls", needs: "node", command: nodemailer("STARTPORT", "false")},
		{title: "nodemailer-implicit", needs: "node", command: nodemailer("TLSPORT", "true")},
		{title: "php-mail", needs: "php", socket: true, command: `
php -d sendmail_path="HEYRELAY sendmail -t -i -O relay=unix:SOCKET" -r '
exit(mail("alice@example.com", "TITLE", "Hi.\n", "From: app@example.com") ? 0 : 1);'`},
		{title: "sendmail-cron", needs: "sh", socket: true, command: `
printf 'From: root (Cron Daemon)\nTo: alice@example.com\nSubject: TITLE\n\nHi.\n' |
SENDMAIL_RELAY=unix:SOCKET HEYRELAY sendmail -FCronDaemon -i -B8BITMIME -oem alice@example.com`},
	}
}

// phpMailer sends with PHPMailer and wants to learn the queue id.
func phpMailer(secure, port string) string {
	return `php -r '
foreach (["Exception", "PHPMailer", "SMTP"] as $c) require "/usr/share/php/libphp-phpmailer/src/$c.php";
$m = new PHPMailer\PHPMailer\PHPMailer(true);
$m->isSMTP();
$m->Host = "HOST"; $m->Port = ` + port + `; $m->SMTPSecure = "` + secure + `";
$m->SMTPOptions = ["ssl" => ["verify_peer" => false, "verify_peer_name" => false, "allow_self_signed" => true]];
$m->SMTPAuth = true; $m->Username = "redmine"; $m->Password = "PASSWORD";
$m->setFrom("app@example.com"); $m->addAddress("alice@example.com");
$m->Subject = "TITLE"; $m->Body = "Hi.";
$m->send();
exit($m->getSMTPInstance()->getLastTransactionID() ? 0 : 1);'`
}

// nodemailer sends with Nodemailer, where Debian puts it.
func nodemailer(port, secure string) string {
	return `NODE_PATH=/usr/share/nodejs node -e '
const transport = require("nodemailer").createTransport({
  host: "HOST", port: ` + port + `, secure: ` + secure + `, requireTLS: true, tls: {rejectUnauthorized: false},
  auth: {user: "redmine", pass: "PASSWORD"}});
transport.sendMail({from: "app@example.com", to: "alice@example.com", subject: "TITLE", text: "Hi."})
  .then(() => transport.close(), e => { console.error(e); process.exit(1); });'`
}

// Real programs send with TLS and a password, or through sendmail, and their mail
// takes the route of their user.
func TestSubmission(t *testing.T) {
	s := startSubmission(t)
	host, startPort, _ := strings.Cut(s.start, ":")
	_, tlsPort, _ := strings.Cut(s.tls, ":")
	for _, c := range clients() {
		t.Run(c.title, func(t *testing.T) {
			process.Need(t, c.needs)
			words := strings.NewReplacer(
				"STARTPORT", startPort, "TLSPORT", tlsPort, "START", s.start, "IMPLICIT", s.tls, "HOST", host,
				"PASSWORD", password, "TITLE", c.title, "SOCKET", s.socket, "HEYRELAY", s.binary,
			)
			run(t, t.TempDir(), "sh", "-c", words.Replace(c.command))
			m := awaitTitle(t, s.api, c.title)
			inbox := int64(202)
			if c.socket {
				inbox = 203
			}
			if m.Inbox != inbox || !slices.Equal(m.Targets, []string{"to:alice@example.com"}) ||
				strings.TrimSpace(m.RawText) != "Hi." {
				t.Errorf("%+v", m)
			}
		})
	}
}

// git sends through sendmail, and by TLS with a password.
func TestGitSendEmailSubmission(t *testing.T) {
	process.Need(t, "git")
	if _, err := os.Stat("/usr/lib/git-core/git-send-email"); err != nil {
		process.Need(t, "git-send-email")
	}
	s := startSubmission(t)
	host, port, _ := strings.Cut(s.start, ":")
	for title, args := range map[string][]string{
		"git-sendmail-cmd": {"--sendmail-cmd=" + s.binary + " sendmail -O relay=unix:" + s.socket},
		"git-starttls": {
			"--smtp-server=" + host, "--smtp-server-port=" + port, "--smtp-encryption=tls",
			"--smtp-user=redmine", "--smtp-pass=" + password, "--smtp-auth=PLAIN",
		},
	} {
		dir := t.TempDir()
		patch := "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n" +
			"From: Ada <ada@example.com>\nDate: Mon, 2 Nov 2026 10:00:00 +0000\n" +
			"Subject: " + title + "\n\nA change.\n"
		if err := os.WriteFile(filepath.Join(dir, "0001.patch"), []byte(patch), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, dir, "git", "init", "-q")
		send := []string{
			"-c", "sendemail.smtpSSLCertPath=", "send-email", "--from=ada@example.com", "--to=alice@example.com",
			"--suppress-cc=all", "--confirm=never",
		}
		run(t, dir, "git", slices.Concat(send, args, []string{"./0001.patch"})...)
		if m := awaitTitle(t, s.api, title); !slices.Equal(m.Targets, []string{"to:alice@example.com"}) {
			t.Errorf("%+v", m)
		}
	}
}

// awaitTitle waits for the message of a title.
func awaitTitle(t *testing.T, api, title string) (found process.Request) {
	t.Helper()
	process.Await(t, func() error {
		for _, m := range process.Messages(t, api) {
			if m.Request.ConvTitle == title {
				found = m.Request
				return nil
			}
		}
		return fmt.Errorf("no message %s", title)
	})
	return found
}
