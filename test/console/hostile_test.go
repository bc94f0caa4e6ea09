package console

import (
	"fmt"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/domsnapshot"
	"github.com/chromedp/chromedp"

	"heyrelay/test/process"
)

// hostile is HTML that tries whatever a document can to run, load or go somewhere; %[1]s is a
// server that must hear nothing.
const hostile = `<!doctype html><html><head>
<base href="%[1]s/base/">
<meta http-equiv="refresh" content="0; url=%[1]s/refresh">
<meta http-equiv="x-dns-prefetch-control" content="on">
<link rel="stylesheet" href="%[1]s/link"><link rel="preconnect" href="%[1]s"><link rel="prefetch" href="%[1]s/prefetch">
<style>@import "%[1]s/import"; body { background: url(%[1]s/background) }
@font-face { font-family: x; src: url(%[1]s/font) } p { font-family: x }</style>
<script>alert(1); fetch("%[1]s/script"); parent.document.title = "taken"</script>
<script src="%[1]s/src"></script>
</head><body onload="alert(2)" background="%[1]s/body">
<p id="hello">Hello</p>
<img src="%[1]s/image" onerror="alert(3)"><img src=x onerror=alert(4)>
<svg onload="alert(5)"><script>alert(6)</script><image href="%[1]s/svg"/><use href="%[1]s/use#x"/>
<a><set attributeName="href" to="%[1]s/set"/><text y="20">svg</text></a>
<foreignObject><iframe src="javascript:alert(7)"></iframe></foreignObject></svg>
<math><mtext><img src="%[1]s/math" onerror="alert(8)"></mtext></math>
<iframe src="%[1]s/iframe"></iframe><iframe srcdoc="<script>alert(9)</script>"></iframe>
<object data="%[1]s/object"></object><embed src="%[1]s/embed">
<video src="%[1]s/video" poster="%[1]s/poster" onerror="alert(10)"></video><audio src="%[1]s/audio"></audio>
<form id="f" action="%[1]s/form"><input autofocus onfocus="alert(11)"><button id="submit">Send</button></form>
<input type="image" src="%[1]s/input"><details open ontoggle="alert(12)"><summary>x</summary></details>
<noscript><img src="%[1]s/noscript"><a href="%[1]s/noscript-link">noscript</a></noscript>
<div style="background-image: url(%[1]s/style); position: fixed; inset: 0; z-index: 9; pointer-events: none"></div>
<a href="javascript:alert(13)" style="display: block; padding: 20px">script</a>
<a href="%[1]s/link-blank" target="_blank" style="display: block; padding: 20px">blank</a>
<a href="%[1]s/link-top" target="_top" style="display: block; padding: 20px">top</a>
<a href="%[1]s/link-self" ping="%[1]s/ping" style="display: block; padding: 20px">self</a>
<a href="/messages" style="display: block; padding: 20px">console</a>
`

// What a message contains is shown, and can do nothing.
func TestHostileMessage(t *testing.T) {
	canary := listen(t)
	d := startDemo(t)
	id := d.sendHTML(t, fmt.Sprintf(hostile, canary.URL))
	b := open(t)
	b.visit(d.login)
	b.visit(d.base + "/messages/" + id + "?view=json")
	for _, danger := range []string{"onerror", "<script", "<iframe", "javascript:", "http-equiv"} {
		if !strings.Contains(b.text("main"), danger) {
			t.Errorf("the message has no %s any more: this test tries nothing", danger)
		}
	}
	for _, path := range []string{"/", "/messages", "/conversations/1", "/messages/" + id + "?view=text"} {
		b.visit(d.base + path)
	}
	page := d.base + "/messages/" + id
	b.visit(page)
	frame := b.frame()
	if !strings.Contains(frame.text, "Hello") {
		t.Errorf("the frame shows %q", frame.text)
	}
	title := eval[string](b, "document.title")
	if !strings.Contains(title, "<img src=x") {
		t.Errorf("the title is %q", title)
	}
	for y := frame.top + 10; y < frame.top+frame.height; y += 12 { // whatever is there is clicked
		b.do(chromedp.MouseClickXY(frame.left+60, y))
	}
	b.do(chromedp.Sleep(500 * time.Millisecond)) // a request on its way arrives
	if at := eval[string](b, "location.href"); at != page {
		t.Errorf("the page went to %s", at)
	}
	if after := b.frame(); after.address != frame.address || !strings.Contains(after.text, "Hello") {
		t.Errorf("the frame went to %s", after.address)
	}
	if heard := canary.heard(); len(heard) > 0 {
		t.Errorf("requests left the page: %q", heard)
	}
	if len(b.dialogs) > 0 {
		t.Errorf("dialogs opened: %q", b.dialogs)
	}
	if infos, err := chromedp.Targets(b.ctx); err != nil || len(infos) > 6 {
		t.Errorf("%d targets, %v", len(infos), err)
	}
}

// sendHTML sends a document, and returns the queue id.
func (d *demo) sendHTML(t *testing.T, document string) string {
	t.Helper()
	return swaks(t, d.smtp, "--to", "alice@example.com", "--data", "@"+mailFile(t, document))
}

func mailFile(t *testing.T, document string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mail.eml")
	mail := "From: app@example.com\nTo: alice@example.com\nSubject: <img src=x onerror=alert(20)>\n" +
		"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + quoted(document)
	if err := os.WriteFile(file, []byte(mail), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// As many nested elements as may come in are shown; 100,000 do not even come in.
func TestNestedWithoutEnd(t *testing.T) {
	d := startDemo(t)
	id := d.sendHTML(t, strings.Repeat("<div>", 59_000)+"deep")
	b := open(t)
	b.visit(d.login)
	b.visit(d.base + "/messages/" + id)
	if shown := b.frame().text; !strings.Contains(shown, "deep") {
		t.Errorf("the frame shows %.100q", shown)
	}
	file := mailFile(t, strings.Repeat("<div>", 100_000))
	out, err := process.Swaks(t, d.smtp, "--to", "alice@example.com", "--data", "@"+file)
	if err == nil || !strings.Contains(out, "554 5.6.0 the HTML of the message has more than 60000 tags") {
		t.Errorf("%v\n%s", err, out)
	}
}

// frame is what the frame of a message shows, and where it is.
type frame struct {
	address, text            string
	left, top, width, height float64
}

// frame looks at the frame of the page from outside: no script runs in it, not even a test's.
func (b *tab) frame() frame {
	b.Helper()
	b.await(`document.querySelector("iframe") !== null && document.readyState === "complete"`)
	snapshot, err := chromedp.Call(b.ctx, domsnapshot.CaptureSnapshot, domsnapshot.CaptureSnapshotParams{
		ComputedStyles: []string{},
	})
	if err != nil {
		b.Fatal(err)
	}
	if len(snapshot.Documents) < 2 {
		b.Fatalf("%d documents", len(snapshot.Documents))
	}
	document := snapshot.Documents[1]
	f := frame{address: snapshot.Strings[document.DocumentURL]}
	for _, i := range document.Layout.Text {
		if i >= 0 {
			f.text += snapshot.Strings[i]
		}
	}
	place := eval[[]float64](b, `(r => [r.left, r.top, r.width, r.height])(
		document.querySelector("iframe").getBoundingClientRect())`)
	f.left, f.top = place[0], place[1]
	f.width, f.height = place[2], place[3]
	return f
}

func quoted(text string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		panic(err) // a strings.Builder has no errors
	}
	w.Close()
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}
