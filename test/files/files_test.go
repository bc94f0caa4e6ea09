package files

import (
	"bytes"
	mathrand "math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// attachments are files by their names: a PDF, one with an umlaut and a space in its name, and 20 MB.
func attachments() map[string][]byte {
	large := make([]byte, 20<<20)
	_, _ = mathrand.NewChaCha8([32]byte{1}).Read(large)
	return map[string][]byte{
		"invoice.pdf":            []byte("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"),
		"Rechnung März 4711.pdf": []byte("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n4711\n"),
		"scan.bin":               large,
	}
}

// swaks sends a message with files, and returns the end of its output, without the files, and its error.
func swaks(t *testing.T, address string, files map[string][]byte) (string, error) {
	t.Helper()
	options := []string{
		"--helo", "app.example.com", "--to", "ann@example.com",
		"--header", "Subject: Invoice", "--body", "See the files.",
	}
	for name, content := range files {
		options = append(options, process.Attach(t, name, "application/octet-stream", content)...)
	}
	out, err := process.Swaks(t, address, options...)
	return out[max(0, len(out)-500):], err
}

var link = regexp.MustCompile(`http://[^\s"<>]+/f/[^\s"<>)]+`)

// linksOf returns the links in a body by the names at their ends.
func linksOf(t *testing.T, body string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, l := range link.FindAllString(body, -1) {
		name, err := url.PathUnescape(path.Base(l))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = l
	}
	return all
}

// Files arrive byte by byte, whatever the store, and survive its absence: what cannot be stored is not
// accepted, and what cannot be read now can be later.
func TestFiles(t *testing.T) {
	process.Need(t, "swaks")
	for _, store := range []string{"folder", "bucket"} {
		t.Run(store, func(t *testing.T) {
			r := start(t, store)
			files := attachments()
			if out, err := swaks(t, r.SMTP, files); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			links := r.links(len(files))
			for name, content := range files {
				r.checkDownload(name, links[name], content)
			}
			r.down()
			r.checkNotAccepted()
			r.checkUnavailable(links["invoice.pdf"])
			r.up()
			if n := len(r.objects()); n != len(files) {
				t.Errorf("%d objects are stored, want %d", n, len(files))
			}
			r.checkDownload("invoice.pdf", links["invoice.pdf"], files["invoice.pdf"])
		})
	}
}

// links returns the links of the message that was sent, by name, from both of its bodies.
func (r *relay) links(n int) map[string]string {
	r.t.Helper()
	request := process.AwaitMessages(r.t, r.API, 1)[0].Request
	plain, html := linksOf(r.t, request.RawText), linksOf(r.t, request.Text)
	if len(plain) != n || len(html) != n {
		r.t.Fatalf("%d links in the plain text and %d in the HTML, want %d:\n%s\n%s",
			len(plain), len(html), n, request.RawText, request.Text)
	}
	for name, l := range plain {
		if html[name] != l {
			r.t.Errorf("%s: the bodies have different links", name)
		}
	}
	return plain
}

func (r *relay) checkDownload(name, url string, content []byte) {
	r.t.Helper()
	status, header, body := r.download(url)
	_, parameters, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if status != http.StatusOK || !bytes.Equal(body, content) || err != nil || parameters["filename"] != name {
		r.t.Errorf("%s: status %d, %d octets, %v, as %q", name, status, len(body), err, parameters["filename"])
	}
}

// down takes the store away.
func (r *relay) down() {
	if r.s3 != nil {
		r.s3.Kill()
		return
	}
	r.move(r.blobs, r.blobs+".away")
}

// up brings the store back.
func (r *relay) up() {
	if r.s3 != nil {
		r.s3.Start()
		return
	}
	r.move(r.blobs+".away", r.blobs)
}

func (r *relay) move(from, to string) {
	r.t.Helper()
	if err := os.Rename(from, to); err != nil {
		r.t.Fatal(err)
	}
}

// checkNotAccepted sends a message that cannot be accepted now, and whose reply does not say why. Messages
// without files are.
func (r *relay) checkNotAccepted() {
	r.t.Helper()
	out, err := swaks(r.t, r.SMTP, map[string][]byte{"new.pdf": []byte("%PDF-1.4\nnew\n")})
	if err == nil || !strings.Contains(out, "<** 451 4.3.0 ") || strings.Contains(out, "blob") {
		r.t.Errorf("without a store: %v\n%s", err, out)
	}
	if out, err := swaks(r.t, r.SMTP, nil); err != nil {
		r.t.Errorf("no files, without a store: %v\n%s", err, out)
	}
}

func (r *relay) checkUnavailable(url string) {
	r.t.Helper()
	status, header, body := r.download(url)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || bytes.Contains(body, []byte("blob")) {
		r.t.Errorf("without a store: status %d, %v\n%s", status, header, body)
	}
}
