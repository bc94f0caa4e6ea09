package console

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	download "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"heyrelay/test/process"
)

// active runs wherever a browser shows it: %s is a server that must hear nothing.
const active = `<script>alert(1); fetch("%s/ran")</script>`

// pixel is an image of one pixel.
const pixel = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00," +
	"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// attached are the files of a message: their names, types and contents.
type attached []struct {
	name, kind string
	content    []byte
}

// send sends them with swaks, and returns their links as both bodies have them, in order.
func (files attached) send(t *testing.T, d *demo) []string {
	t.Helper()
	args := []string{"--to", "alice@example.com", "--body", "See the files."}
	for _, f := range files {
		args = append(args, process.Attach(t, f.name, f.kind, f.content)...)
	}
	swaks(t, d.smtp, args...)
	request := process.AwaitMessages(t, d.Await(`sandbox +(http://\S+)`), 1)[0].Request
	links := regexp.MustCompile(`http://[^"<>\s]+/f/[^"<>\s]+`)
	inText := links.FindAllString(request.RawText, -1)
	inHTML := links.FindAllString(html.UnescapeString(request.Text), -1)
	if len(inText) != len(files) || !slices.Equal(inText, inHTML) {
		t.Fatalf("%d files, but the text has %q, the HTML %q", len(files), inText, inHTML)
	}
	return inText
}

// Files of a message arrive through links: byte for byte, and with their names, in curl and in a
// browser, which runs nothing of them.
func TestFilesArrive(t *testing.T) {
	process.Need(t, "curl")
	canary := listen(t)
	large := make([]byte, 20_000_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large)
	markup := []byte("<!doctype html>" + fmt.Sprintf(active, canary.URL))
	drawing := []byte(`<svg xmlns="http://www.w3.org/2000/svg">` + fmt.Sprintf(active, canary.URL) + `</svg>`)
	files := attached{
		{"Rechnung 4711.pdf", "application/pdf", []byte("%PDF-1.7\n%%EOF\n")},
		{"Übersicht für 請求書.txt", "text/plain", []byte("Grüße\n")},
		{"scan.bin", "application/octet-stream", large},
		{"page.html", "text/html", markup},
		{"drawing.svg", "image/svg+xml", drawing},
		{"page.png", "image/png", markup},
	}
	d := startDemo(t)
	links := files.send(t, d)
	dir := t.TempDir()
	for _, link := range links {
		cmd := exec.Command("curl", "-sS", "--fail", "-O", "-J", link)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("curl %s: %v\n%s", link, err, out)
		}
	}
	same(t, dir, files)

	b := open(t)
	dir = b.downloads()
	for i, link := range links {
		b.download(link, filepath.Join(dir, files[i].name), len(files[i].content))
	}
	same(t, dir, files)
	if at := eval[string](b, "location.href"); at != "about:blank" {
		t.Errorf("the browser shows %s", at)
	}
	hostile := site(t, links)
	b.visit(hostile.URL)
	b.await("document.readyState === 'complete'")
	b.do(chromedp.Sleep(300 * time.Millisecond)) // a request on its way arrives
	if heard := canary.heard(); len(heard) > 0 {
		t.Errorf("the files ran: %q", heard)
	}
	b.mu.Lock()
	if len(b.dialogs) > 0 {
		t.Errorf("dialogs: %q", b.dialogs)
	}
	b.mu.Unlock()
	for n, path := range []string{"/page.html", "/drawing.svg"} { // would be heard, if they ran
		b.visit(unprotected(t, files[3:5]) + path)
		canary.await(t, n+1)
	}
}

// unprotected serves files as they want to be, but for dialogs, which would stop the browser.
func unprotected(t *testing.T, files attached) (base string) {
	t.Helper()
	mux := http.NewServeMux()
	for _, f := range files {
		mux.HandleFunc("/"+f.name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.kind)
			_, _ = w.Write(bytes.ReplaceAll(f.content, []byte("alert(1);"), nil))
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// site is a page elsewhere that tries to have a browser show or run the files.
func site(t *testing.T, links []string) *httptest.Server {
	t.Helper()
	var text strings.Builder
	text.WriteString("<!doctype html><title>x</title>")
	for _, link := range links {
		link = html.EscapeString(link)
		fmt.Fprintf(&text, `<iframe src="%[1]s"></iframe><object data="%[1]s"></object><embed src="%[1]s">`+
			`<img src="%[1]s"><script src="%[1]s"></script><link rel="stylesheet" href="%[1]s">`, link)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, text.String())
	}))
	t.Cleanup(server.Close)
	return server
}

// An image is shown where the HTML of a message, in a program of another site, has it. The pages for
// people are readable on a phone, in light and dark colours.
func TestLinkedImage(t *testing.T) {
	d := startDemo(t)
	link := attached{{"dot.gif", "image/gif", []byte(pixel)}}.send(t, d)[0]
	b := open(t)
	webmail := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `<!doctype html><img src=%q>`, link)
	}))
	defer webmail.Close()
	b.visit(webmail.URL)
	b.await(`document.images[0].complete && document.images[0].naturalWidth === 1`)
	if status := b.visit(link); status != http.StatusOK {
		t.Errorf("the image alone: %d", status)
	}
	b.await(`document.images.length === 1 && document.images[0].naturalWidth === 1`)

	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if status := b.visit("http://" + u.Host + "/f/x"); status != http.StatusNotFound {
		t.Errorf("no file: %d", status)
	}
	for scheme, colour := range map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 29)"} {
		b.colours(scheme)
		b.await(fmt.Sprintf(`getComputedStyle(document.body).backgroundColor === %q`, colour))
	}
	b.do(chromedp.EmulateViewport(320, 600))
	b.await(`document.documentElement.scrollWidth <= 320`)
}

// downloads has the browser store what it downloads in a folder.
func (b *tab) downloads() (dir string) {
	b.Helper()
	dir = b.TempDir()
	_, err := chromedp.Call(b.ctx, download.SetDownloadBehavior, download.SetDownloadBehaviorParams{
		Behavior:         download.SetDownloadBehaviorBehaviorAllow,
		BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
		DownloadPath:     dir,
	})
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// download follows a link to a file, and waits until the file is whole.
func (b *tab) download(link, file string, size int) {
	b.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.NavigateResponse(link))
	if err == nil || !strings.Contains(err.Error(), "ERR_ABORTED") {
		b.Errorf("%s is shown: %v", link, err)
	}
	process.Await(b, func() error {
		info, err := os.Stat(file)
		if err == nil && info.Size() != int64(size) {
			err = fmt.Errorf("%s has %d octets, want %d", file, info.Size(), size)
		}
		return err
	})
}

// same fails the test unless a folder has just these files.
func same(t *testing.T, dir string, files attached) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(files) {
		t.Errorf("%v, %v, want %d files", entries, err, len(files))
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(dir, f.name))
		if err != nil || !bytes.Equal(got, f.content) {
			t.Errorf("%s: %d octets, %v, want %d", f.name, len(got), err, len(f.content))
		}
	}
}

// ear is a server that listens for what runs.
type ear struct {
	*httptest.Server
	mu    sync.Mutex
	paths []string
}

func listen(t *testing.T) *ear {
	e := &ear{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.paths = append(e.paths, r.URL.Path)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *ear) heard() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.paths)
}

// await waits until n requests were heard.
func (e *ear) await(t *testing.T, n int) {
	t.Helper()
	process.Await(t, func() error {
		if len(e.heard()) < n {
			return errors.New("what runs anywhere else is not heard: this test tries nothing")
		}
		return nil
	})
}
