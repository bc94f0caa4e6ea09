package notify_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jhillyerd/enmime/v2"
	"github.com/jhillyerd/enmime/v2/dsn"
	"golang.org/x/tools/txtar"

	"heyrelay/internal/notify"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

var update = flag.Bool("update", false, "write the reports that were got in place of the golden ones")

var reporter = notify.Reporter{Hostname: "relay.example.com", From: "mailer-daemon@relay.example.com"}

// happened is when all reports of these tests became true.
var happened = time.Date(2026, 11, 25, 3, 17, 3, 0, time.UTC)

// reportCase is a file of testdata: what is reported, and to what kind of server.
type reportCase struct {
	name   string
	Can    smarthost.Offers
	Report spool.Report
}

func (c reportCase) notice() spool.Notice {
	return spool.Notice{ID: 1, Way: spool.Mail, Happened: happened, Report: &c.Report}
}

// letter is the report of a case, which is to be sent.
func (c reportCase) letter(t *testing.T) smarthost.Message {
	t.Helper()
	l, ok := reporter.Write(c.notice(), c.Can)
	if !ok {
		t.Fatal("no report is to be sent")
	}
	return l
}

// eachCase runs a test on each case. The first line of its file says what a
// reader must see in the .eml beside it.
func eachCase(t *testing.T, test func(t *testing.T, c reportCase)) {
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) < 15 {
		t.Fatalf("%d cases found, at least 15 are there", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			test(t, readCase(t, file))
		})
	}
}

func readCase(t *testing.T, file string) reportCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := reportCase{name: strings.TrimSuffix(file, ".txtar")}
	if err := json.Unmarshal(archive.Files[0].Data, &c); err != nil {
		t.Fatal(err)
	}
	if len(archive.Files) > 1 {
		c.Report.Raw = archive.Files[1].Data
	}
	return c
}

func TestReports(t *testing.T) {
	eachCase(t, func(t *testing.T, c reportCase) {
		got := c.letter(t).Text
		want, err := os.ReadFile(c.name + ".eml")
		if err == nil && bytes.Equal(got, want) {
			return
		}
		if *update {
			if err := os.WriteFile(c.name+".eml", got, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("got\n%s\nwant\n%s", got, want)
	})
}

// checkBytes wants what SMTP can carry and the server takes.
func checkBytes(t *testing.T, l smarthost.Message, can smarthost.Offers) {
	t.Helper()
	for line := range bytes.Lines(l.Text) {
		text, ended := bytes.CutSuffix(line, []byte("\r\n"))
		if !ended || bytes.ContainsAny(text, "\r\n\x00") || len(text) > 998 {
			t.Errorf("a line of %d bytes that is no line of SMTP: %.100q", len(text), line)
		}
	}
	odd := bytes.ContainsFunc(l.Text, func(r rune) bool { return r > 127 })
	if odd && !l.EightBit && !l.UTF8 || l.EightBit && !can.EightBit {
		t.Errorf("8-bit text: EightBit %v, UTF8 %v, and the server's %+v", l.EightBit, l.UTF8, can)
	}
}

func TestReportsAreProperLines(t *testing.T) {
	eachCase(t, func(t *testing.T, c reportCase) { checkBytes(t, c.letter(t), c.Can) })
}

// wanted are the recipients that a case lists.
func wanted(c reportCase) (list []string) {
	what := map[spool.Action]string{
		spool.FailedAction:  "FAILURE",
		spool.DelayedAction: "DELAY",
		spool.RelayedAction: "SUCCESS",
	}[c.Report.Action]
	for _, r := range c.Report.Recipients {
		if r.Wants(what) {
			list = append(list, r.Address)
		}
	}
	return list
}

func TestEnmimeReadsReports(t *testing.T) {
	eachCase(t, func(t *testing.T, c reportCase) {
		envelope, err := enmime.ReadEnvelope(bytes.NewReader(c.letter(t).Text))
		if err != nil {
			t.Fatal(err)
		}
		report, err := dsn.ParseReport(envelope.Root)
		if err != nil || report == nil || len(envelope.Errors) > 0 {
			t.Fatalf("%v, %v, %v", report, err, envelope.Errors)
		}
		status := report.DeliveryStatus
		if len(status.MessageDSNs) != 1 || len(status.RecipientDSNs) != len(wanted(c)) {
			t.Fatalf("%+v", status)
		}
		if status.MessageDSNs[0].Get("Reporting-Mta") != "dns; relay.example.com" {
			t.Fatalf("%+v", status)
		}
		for _, r := range status.RecipientDSNs {
			failed := c.Report.Action == spool.FailedAction
			if r.Get("Action") != string(c.Report.Action) || dsn.IsFailed(r) != failed {
				t.Errorf("%+v", r)
			}
			if r.Get("Final-Recipient") == "" {
				t.Errorf("%+v", r)
			}
		}
		if !strings.Contains(report.Explanation.Text, "relay.example.com") {
			t.Errorf("words: %q", report.Explanation.Text)
		}
	})
}

func TestPythonReadsReports(t *testing.T) {
	python, err := exec.LookPath("python3")
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal("python3 is needed: ", err)
	case err != nil:
		t.Skip("no python3")
	}
	eachCase(t, func(t *testing.T, c reportCase) {
		cmd := exec.Command(python, "testdata/read.py")
		cmd.Stdin = bytes.NewReader(c.letter(t).Text)
		cmd.Stderr = t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var read struct {
			Type, Report, Words, Subject string
			Defects, Parts, Headers      []string
			Message                      map[string]string
			Recipients                   []map[string]string
		}
		if err := json.Unmarshal(out, &read); err != nil {
			t.Fatal(err)
		}
		parts := 3
		if c.Report.Raw == nil {
			parts = 2
		}
		if read.Type != "multipart/report" || read.Report != "delivery-status" || len(read.Defects) > 0 {
			t.Fatalf("%+v", read)
		}
		if len(read.Parts) != parts || len(read.Recipients) != len(wanted(c)) {
			t.Fatalf("%+v", read)
		}
		for _, r := range read.Recipients {
			_, injected := r["bcc"]
			if r["action"] != string(c.Report.Action) || r["status"] == "" || r["final-recipient"] == "" || injected {
				t.Errorf("%+v", r)
			}
		}
		words := strings.Join(strings.Fields(read.Words), " ")
		if c.Report.Unknown != strings.Contains(words, "may have been delivered") {
			t.Errorf("an unknown outcome (%v) and the words:\n%s", c.Report.Unknown, read.Words)
		}
		if strings.Contains(strings.Join(read.Headers, " "), "bcc") {
			t.Errorf("a header field got in: %q", read.Headers)
		}
	})
}
