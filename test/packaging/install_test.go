package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// TestInstalled runs testdata/install.sh, the life of the package, in a copy of a fresh Debian:
//
//	go test ./test/packaging -run TestInstalled -v -args -root /var/tmp/bookworm
func TestInstalled(t *testing.T) {
	if *root == "" {
		t.Skip("-root names no debootstrap")
	}
	process.Need(t, "debootstrap", "unshare", "dpkg-deb")
	if _, err := os.Stat(*root); err != nil {
		run(t, "debootstrap", "--variant=minbase", "--include=systemd,ca-certificates", "bookworm", *root)
	}
	fresh := filepath.Join(t.TempDir(), "root")
	run(t, "cp", "-a", *root, fresh)
	run(t, "cp", debFile(t), filepath.Join(fresh, "tmp/old.deb"))
	run(t, "dpkg-deb", "-b", next(t), filepath.Join(fresh, "tmp/new.deb"))
	run(t, "cp", "testdata/install.sh", filepath.Join(fresh, "tmp"))

	cmd := exec.Command("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc="+fresh+"/proc",
		"chroot", fresh, "sh", "/tmp/install.sh")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "\npurge leaves nothing\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// next unpacks the package and makes the next version of it, which has another configuration.
func next(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "next")
	run(t, "dpkg-deb", "-R", debFile(t), dir)
	edit(t, filepath.Join(dir, "DEBIAN/control"), "\nVersion: ", "\nVersion: 1:")
	edit(t, filepath.Join(dir, "etc/heyrelay/heyrelay.yaml"), "# The conf", "# A new version\n# The conf")
	return dir
}

// edit replaces a text in a file.
func edit(t *testing.T, file, from, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), from) {
		t.Fatalf("%q is not in %s (%v)", from, file, err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o640); err != nil {
		t.Fatal(err)
	}
}
