package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// S3 is a running S3-compatible server that checks signatures (heyrelay/test/s3), with one bucket.
type S3 struct {
	URL                  string // of the bucket as a blob store
	AccessKey, SecretKey string
	Folder               string // with the objects of the bucket as files

	t       testing.TB
	server  *Process
	binary  string
	address string
	dir     string
}

const s3Bucket = "heyrelay-files"

// BuildS3 compiles the server, or takes it from Go's cache, as Build does, and returns the binary's path. Without
// optimisation, that takes half the time. Where its modules cannot be had, the test is skipped, but not in CI.
func BuildS3(t testing.TB) string {
	t.Helper()
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "s3")
	source := filepath.Join(strings.TrimSpace(string(root)), "test", "s3")
	cmd := exec.Command("go", "-C", source, "run", "-gcflags=github.com/...=-N -l", "-ldflags=-s -w",
		"-exec", "cp", ".", binary)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("build test/s3: %v\n%s", err, out)
		}
		t.Skipf("build test/s3: %v\n%s", err, out)
	}
	return binary
}

// StartS3 runs the server of BuildS3.
func StartS3(t testing.TB, binary string) *S3 {
	t.Helper()
	dir := t.TempDir()
	s := &S3{t: t, binary: binary, address: FreeAddress(t), dir: dir, AccessKey: "access", SecretKey: "secret"}
	s.URL = fmt.Sprintf("s3://%s?endpoint=http://%s&region=eu-central-1", s3Bucket, s.address)
	s.Folder = filepath.Join(dir, "objects", s3Bucket)
	s.Start()
	return s
}

// Start starts the server, again where it was killed, with the objects that it has.
func (s *S3) Start() {
	s.t.Helper()
	s.server = Start(s.t, s.binary, s.address, s.dir, s3Bucket)
	s.server.Await("^ready$")
}

// Kill ends the server at once.
func (s *S3) Kill() { s.server.Kill() }
