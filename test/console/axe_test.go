package console

import (
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeScript is axe-core 4.14.1 as npm has it (axe.LICENSE), which looks for what keeps people out.
func axeScript(t testing.TB) string {
	t.Helper()
	file, err := os.Open("testdata/axe.min.js.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	script, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// axe returns what axe-core finds wrong with the page and calls serious or critical.
func (b *tab) axe() []string {
	b.Helper()
	if !eval[bool](b, "'axe' in window") {
		eval[bool](b, axeScript(b)+"; true")
	}
	return eval[[]string](b, `axe.run(document, {iframes: false, resultTypes: ["violations"]}).then(r => r.violations
		.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => v.id + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("; ")))`)
}

// Nobody is kept out of a page: neither in light colours on a desk, nor in dark ones on a phone.
func TestAxe(t *testing.T) {
	d := startDemo(t)
	b := open(t)
	b.visit(d.base + "/login")
	b.accessible("login")
	eval[bool](b, `document.body.append(new Image()); true`)
	if len(b.axe()) == 0 {
		t.Fatal("axe-core has nothing against an image without a text")
	}
	b.visit(d.login)
	b.accessible("overview without mail")
	first := swaks(t, d.smtp, "--to", "alice@example.com", "--header", "Message-Id: <ticket-1@example.com>")
	d.Await(first + ".*conversation")
	swaks(t, d.smtp, "--to", "alice@example.com", "--header", "In-Reply-To: <ticket-1@example.com>")
	failed := swaks(t, d.smtp, "--to", "permerror@example.com")
	swaks(t, d.smtp, "--to", "temperror@example.com")
	file := swaks(t, d.smtp, "--to", "dave@example.com", "--attach-name", "invoice.txt", "--attach", "Paid.")
	d.Await(failed + ".*400")
	b.visit(d.base + "/destinations/hold?team=demo&route=demo")
	b.accessible("hold")
	b.click(".confirm button")
	swaks(t, d.smtp, "--to", "carol@example.com")
	for _, path := range []string{
		"/", "/messages", "/messages?q=nobody@example.com", "/messages?state=held", "/messages/" + failed,
		"/messages/" + first + "?view=json", "/messages/" + first + "?view=source", "/messages/" + first + "?view=sandbox",
		"/conversations/1", "/actions/drop?state=held", "/actions/retry?id=" + failed, "/nowhere",
		"/messages/" + file, "/messages/" + file + "/revoke",
	} {
		b.visit(d.base + path)
		b.accessible(path)
	}
	b.visit(d.base + "/messages/" + file)
	if !eval[bool](b, `document.querySelector("#attachments a[download]") !== null`) {
		t.Error("the page of a message with a file does not show it")
	}
}

// accessible fails the test if axe-core finds something serious on the page.
func (b *tab) accessible(name string) {
	b.Helper()
	for scheme, width := range map[string]int64{"light": 1280, "dark": 390} {
		b.colours(scheme)
		b.do(chromedp.EmulateViewport(width, 900))
		for _, found := range b.axe() {
			b.Errorf("%s, %s, %d wide: %s", name, scheme, width, strings.ReplaceAll(found, "\n", " "))
		}
		if wide := eval[int64](b, "document.documentElement.scrollWidth"); wide > width {
			b.Errorf("%s is %d wide in a window of %d", name, wide, width)
		}
	}
}
