package files

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"heyrelay/test/process"
)

// relay is a running relay that links files.
type relay struct {
	*process.Relay
	t     *testing.T
	blobs string      // folder with the objects, whatever the store
	s3    *process.S3 // nil for a folder
}

// configuration is filled with the store and the file server.
const configuration = `
limits: {message_size: 40MB}
teams: {shop: {secrets: [{id: demo, key_file: key}], rate: 6000000/min}}
routes: [{inbox: 202, creator_id: 55, attachments: link}]
spool: {url: "sqlite:spool.db", min_free: 1MB}
blobs:
  url: %q
  listen: %q
  public_url: "http://%[2]s"
`

// start starts a relay with a store: "folder" or "bucket".
func start(t *testing.T, store string) *relay {
	t.Helper()
	dir := t.TempDir()
	r := &relay{t: t}
	url, login := "", ""
	switch store {
	case "folder":
		r.blobs = filepath.Join(dir, "blobs")
		url = "file://" + r.blobs
	case "bucket":
		r.s3 = process.StartS3(t, process.BuildS3(t))
		r.blobs, url = r.s3.Folder, r.s3.URL
		secret := filepath.Join(dir, "secret")
		if err := os.WriteFile(secret, []byte(r.s3.SecretKey), 0o600); err != nil {
			t.Fatal(err)
		}
		login = fmt.Sprintf("  access_key_id: %s\n  secret_access_key_file: %q\n", r.s3.AccessKey, secret)
	}
	rest := fmt.Sprintf(configuration, url, process.FreeAddress(t)) + login
	r.Relay = process.StartRelayWith(t, process.Build(t), rest)
	return r
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
