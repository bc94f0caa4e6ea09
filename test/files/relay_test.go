package files

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// relay is a running relay that links files.
type relay struct {
	t      *testing.T
	binary string
	api    string // base URL of its sandbox
	smtp   string // address of its listener
	files  string // base URL of its file server
	config string // file
	spool  string // file
	blobs  string // folder with the objects, whatever the store
	serve  *process.Process
	s3     *process.S3 // nil for a folder
}

const configuration = `
hostname: relay.example.com
listeners: [{address: %q}]
limits: {message_size: 40MB}
heymarket: {base_url: %q}
teams: {shop: {secrets: [{id: demo, key_file: key}], rate: 6000000/min}}
routes: [{inbox: 202, creator_id: 55, attachments: link}]
spool: {url: "sqlite:%s", min_free: 1MB}
blobs:
  url: %q
  listen: %q
  public_url: %q
`

// start starts a relay with a store: "folder" or "bucket".
func start(t *testing.T, store string) *relay {
	t.Helper()
	dir := t.TempDir()
	r := &relay{
		t: t, binary: process.Build(t), smtp: process.FreeAddress(t), files: "http://" + process.FreeAddress(t),
		config: filepath.Join(dir, "heyrelay.yaml"), spool: filepath.Join(dir, "spool.db"),
	}
	r.api = process.StartSandbox(t, r.binary)
	url, login := "", ""
	switch store {
	case "folder":
		r.blobs = filepath.Join(dir, "blobs")
		url = "file://" + r.blobs
	case "bucket":
		r.s3 = process.StartS3(t, process.BuildS3(t))
		r.blobs, url = r.s3.Folder, r.s3.URL
		login = fmt.Sprintf("  access_key_id: %s\n  secret_access_key_file: secret\n", r.s3.AccessKey)
		write(t, filepath.Join(dir, "secret"), r.s3.SecretKey)
	}
	write(t, filepath.Join(dir, "key"), "not-a-secret")
	write(t, r.config, fmt.Sprintf(configuration, r.smtp, r.api, r.spool, url,
		strings.TrimPrefix(r.files, "http://"), r.files)+login)
	r.serve = process.Start(t, r.binary, "serve", "-c", r.config)
	r.serve.Await(`msg=listening`)
	return r
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs heyrelay with the relay's configuration.
func (r *relay) command(args ...string) string {
	r.t.Helper()
	out, err := exec.Command(r.binary, append(args, "-c", r.config)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("heyrelay %s: %v\n%s", args, err, out)
	}
	return string(out)
}

// objects returns the size of each object in the store, whole or not, by its name.
func (r *relay) objects() map[string]int64 {
	r.t.Helper()
	all := map[string]int64{}
	err := filepath.WalkDir(r.blobs, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		all[path] = info.Size()
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// download gets a URL.
func (r *relay) download(url string) (status int, header http.Header, body []byte) {
	r.t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}
