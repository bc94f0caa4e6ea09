package relay

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/smarthost/smarthosttest"
	"heyrelay/internal/spool"
)

// linkRoute is a route whose files are stored in a folder.
const linkRoute = `
hostname: relay.example.com
listeners: [{address: "127.0.0.1:0"}]
teams: {shop: {api_key: "${KEY}"}}
blobs: {url: "file://%s", listen: "127.0.0.1:0", public_url: "https://files.example.com"}
routes: [{inbox: 202, creator_id: 55, attachments: link%s}]
`

// attached is a file of a message, as it was sent.
type attached struct {
	name, inURL string
	content     []byte
}

// attachments are a PDF, a file whose name needs escaping, and a large one.
func attachments() []attached {
	random := mathrand.NewChaCha8([32]byte{1})
	large := make([]byte, 3<<20)
	_, _ = random.Read(large)
	return []attached{
		{"invoice.pdf", "invoice.pdf", []byte("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")},
		{"Rechnung für Ann.csv", "Rechnung%20f%C3%BCr%20Ann.csv", []byte("Menge;Preis\r\n1;2\r\n")},
		{"large.bin", "large.bin", large},
	}
}

// withAttachments is a message with files.
func withAttachments(files []attached) []byte {
	var b bytes.Buffer
	b.WriteString("Message-ID: <1@shop.example.com>\r\n" +
		"To: ann@example.com, bob@example.com\r\nSubject: Invoice\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the files.\r\n")
	for _, f := range files {
		fmt.Fprintf(&b, "--b\r\nContent-Type: application/octet-stream; name=\"%s\"\r\n"+
			"Content-Transfer-Encoding: base64\r\n\r\n", f.name)
		encoded := base64.StdEncoding.EncodeToString(f.content)
		for len(encoded) > 76 {
			b.WriteString(encoded[:76] + "\r\n")
			encoded = encoded[76:]
		}
		b.WriteString(encoded + "\r\n")
	}
	b.WriteString("--b--\r\n")
	return b.Bytes()
}

// objects returns how many files a folder store has.
func objects(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The files of a message arrive as links in both bodies; each link leads to its octets. A repeat
// leaves no second object.
func TestLinks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	api := sandbox.New(sandbox.Options{})
	sent := sink{events.Sent, make(chan events.Event, 4)}
	store := open(t)
	cfg := parse(t, fmt.Sprintf(linkRoute, dir, ""))
	r, err := New(cfg, Parts{Store: store, Sink: sent, Transport: api, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, r)
	empty := objects(t, dir)
	files := attachments()
	for range 2 {
		err := smtp.SendMail(r.Addrs()[0].String(), nil, "app@example.com",
			[]string{"ann@example.com", "bob@example.com", "blind@example.com"}, withAttachments(files))
		if err != nil {
			t.Fatal(err)
		}
	}
	<-sent.got
	<-sent.got // the blind recipient's
	links := r.setup.Load().links
	stop()
	if n := objects(t, dir) - empty; n != len(files) {
		t.Errorf("%d objects are stored, want %d", n, len(files))
	}
	blobs, err := blob.Open(cfg.Blobs.URL, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	messages := api.Messages()
	if len(messages) != 2 {
		t.Fatalf("the API has %d messages", len(messages))
	}
	for _, m := range messages {
		var request struct {
			Text    string `json:"text"`
			RawText string `json:"raw_text"`
		}
		if err := json.Unmarshal(m.Request, &request); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			for _, body := range []string{request.Text, request.RawText} {
				token := tokenOf(body, f.inURL)
				if got := download(t, store, blobs, links, token, f.name); !bytes.Equal(got, f.content) {
					t.Errorf("%s: %d octets by %q, want %d", f.name, len(got), token, len(f.content))
				}
			}
		}
	}
}

// tokenOf returns the token of the link to a file.
func tokenOf(body, name string) string {
	link := regexp.MustCompile(`https://files\.example\.com/f/([\w-]+)/` + regexp.QuoteMeta(name) + `[">]`)
	if m := link.FindStringSubmatch(body); m != nil {
		return m[1]
	}
	return ""
}

// download returns what a link leads to.
func download(t *testing.T, s spool.Files, blobs blob.Store, links *blob.Links, token, name string) []byte {
	t.Helper()
	id, _, ok := links.Parse(token)
	if !ok {
		t.Errorf("%s: no link: %q", name, token)
		return nil
	}
	a, err := s.File(t.Context(), id.Hash())
	if err != nil || a.Name != name {
		t.Errorf("%s: %+v, %v", name, a, err)
		return nil
	}
	object, err := blobs.Open(t.Context(), a.Key)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	defer object.Close()
	content, err := io.ReadAll(object)
	if err != nil {
		t.Error(err)
	}
	return content
}

// On a route with a shadow, files are passed on, and not stored.
func TestShadowStoresNoFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := &shadowed{t: t, api: sandbox.New(sandbox.Options{}), store: open(t), log: &recorder{}}
	s.next = smarthosttest.ServeRaw(t, func(*smarthosttest.Raw) {})
	s.run(parse(t, fmt.Sprintf(linkRoute, dir, `, shadow: {next: "smtp://`+s.next.Address+`"}`)))
	empty := objects(t, dir)
	if reply := s.send(string(withAttachments(attachments()))); !strings.HasPrefix(reply, "250") {
		t.Fatal(reply)
	}
	if n := objects(t, dir) - empty; n != 0 || len(s.records()) != 1 {
		t.Errorf("%d objects, %d records", n, len(s.records()))
	}
	page, err := s.store.(spool.Reader).Attachments(t.Context(), spool.AttachmentFilter{})
	if err != nil || len(page.Attachments) != 0 {
		t.Errorf("attachments %v, %v", page.Attachments, err)
	}
}

// While the store is away, a message with files is refused for a time, and nothing of it is stored;
// other mail is accepted. Afterwards it is accepted.
func TestStoreAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	log := &recorder{}
	store := open(t)
	r, err := New(parse(t, fmt.Sprintf(linkRoute, dir, "")), Parts{
		Store: store, Sink: log, Transport: sandbox.New(sandbox.Options{}), Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, r)
	send := func(raw []byte) error {
		return smtp.SendMail(r.Addrs()[0].String(), nil, "app@example.com", []string{"ann@example.com"}, raw)
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	err = send(withAttachments(attachments()))
	if err == nil || !strings.Contains(err.Error(), "4.3.0 Attachments cannot be stored") ||
		strings.Contains(err.Error(), dir) {
		t.Errorf("reply %v", err)
	}
	if err := send([]byte("To: ann@example.com\r\nSubject: none\r\n\r\nHi.\r\n")); err != nil {
		t.Error(err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if err := send(withAttachments(attachments())); err != nil {
		t.Error(err)
	}
	page, err := store.(spool.Reader).Attachments(t.Context(), spool.AttachmentFilter{})
	if err != nil || len(page.Attachments) != 3 {
		t.Errorf("%d attachments, %v", len(page.Attachments), err)
	}
}

// A reload that fails leaves the spool with the store in use. What was stored meanwhile is there alone, and no message
// after the next reload, which has another store, shares it.
func TestStoreOfAFailedReload(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text := func(folder string) string { return fmt.Sprintf(linkRoute, filepath.Join(dir, folder), "") }
	r := newReloading(t, text("a"))
	keys := func() (all []string) {
		t.Helper()
		raw := bytes.Replace(withAttachments(attachments()[:1]), []byte("<1@"), []byte("<"+rand.Text()+"@"), 1)
		err := smtp.SendMail(r.Addrs()[0].String(), nil, "app@example.com", []string{"ann@example.com"}, raw)
		if err != nil {
			t.Fatal(err)
		}
		page, err := r.store.(spool.Reader).Attachments(t.Context(), spool.AttachmentFilter{})
		for _, a := range page.Attachments {
			all = append(all, a.Key)
		}
		if err != nil || len(all) == 0 {
			t.Fatalf("%d attachments, %v", len(all), err)
		}
		return all
	}
	keys()
	if _, err := r.to(text("b") + "metrics: {address: " + taken.Addr().String() + "}\n"); err == nil {
		t.Fatal("it was reloaded")
	}
	if k := keys(); k[0] != k[1] {
		t.Errorf("the store in use has the file as %s and as %s", k[1], k[0])
	}
	r.must(text("b"))
	newest := keys()[0]
	object, err := r.setup.Load().blobs.Open(t.Context(), newest)
	if err != nil {
		t.Fatalf("the link leads to nothing: %v", err)
	}
	_ = object.Close()
}
