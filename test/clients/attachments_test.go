package clients

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"html"
	"mime"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// attachmentsConfig is filled with the folder of the files and the address of their server.
const attachmentsConfig = `
limits: {message_size: 40MB}
teams: {shop: {secrets: [{id: demo, key_file: key}], rate: 6000000/min}}
routes: [{inbox: 202, creator_id: 55, attachments: link}]
blobs: {url: "file://%s", listen: %q, public_url: "http://%[2]s"}
spool: {url: "sqlite:spool.db", min_free: 1MB}
`

// maxAttachmentMemory is what the relay may use for a message of 28 MB, in octets: it takes as much
// with attachments: drop, since no file is decoded as a whole.
const maxAttachmentMemory = 150 << 20

// Three files sent by swaks, one with an umlaut and a space in its name, one of 20 MB: both bodies
// have a link to each, by which curl gets it as it was, with its name.
func TestAttachmentsWithSwaks(t *testing.T) {
	process.Need(t, "swaks", "curl")
	server := process.FreeAddress(t)
	large := make([]byte, 20_000_000)
	_, _ = rand.Read(large)
	files := []struct {
		name    string
		content []byte
	}{
		{"invoice.pdf", []byte("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n%%EOF\n")},
		{"Prüfbericht 4711.txt", []byte("Grüße\r\n")},
		{"scan.tif", append([]byte("II*\x00"), large...)},
	}
	config := fmt.Sprintf(attachmentsConfig, filepath.Join(t.TempDir(), "blobs"), server)
	r := process.StartRelayWith(t, process.Build(t), config)
	options := []string{
		"--to", "ann@example.com,bob@example.com", "--header", "Subject: Invoice", "--body", "See the files.",
		"--suppress-data",
	}
	for _, f := range files {
		options = append(options, process.Attach(t, f.name, "application/octet-stream", f.content)...)
	}
	if out, err := process.Swaks(t, r.SMTP, options...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	request := process.AwaitMessages(t, r.API, 1)[0].Request
	if peak, alive := process.PeakMemory(t, r.Serve.PID()); !alive || peak > maxAttachmentMemory {
		t.Errorf("the relay used %d MB", peak>>20)
	} else {
		t.Logf("the relay used %d MB", peak>>20)
	}
	for _, f := range files {
		for _, body := range []string{html.UnescapeString(request.Text), request.RawText} {
			link := regexp.MustCompile(`http://` + regexp.QuoteMeta(server+"/") + `f/[\w-]+/` +
				regexp.QuoteMeta(url.PathEscape(f.name))).FindString(body)
			if link == "" {
				t.Errorf("no link to %s in %s", f.name, body)
				continue
			}
			got, name := download(t, link)
			if !bytes.Equal(got, f.content) || name != f.name {
				t.Errorf("%s: %d octets of %q, want %d of %q", link, len(got), name, len(f.content), f.name)
			}
		}
	}
	if strings.Contains(r.Serve.Output(), "level=ERROR") {
		t.Error(r.Serve.Output())
	}
}

// download returns what curl gets by a link, and the name that a browser gives to it (RFC 6266, section 4.3).
func download(t *testing.T, link string) (content []byte, name string) {
	t.Helper()
	folder := t.TempDir()
	run(t, folder, "curl", "--silent", "--show-error", "--fail", "--dump-header", "header", "--output", "file", link)
	content, err := os.ReadFile(filepath.Join(folder, "file"))
	if err != nil {
		t.Fatal(err)
	}
	header, err := os.ReadFile(filepath.Join(folder, "header"))
	if err != nil {
		t.Fatal(err)
	}
	field := regexp.MustCompile(`(?mi)^Content-Disposition: (.*)\r$`).FindSubmatch(header)
	if field == nil {
		t.Fatalf("no name in %s", header)
	}
	_, params, err := mime.ParseMediaType(string(field[1]))
	if err != nil {
		t.Fatal(err)
	}
	return content, params["filename"]
}
