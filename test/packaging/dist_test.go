package packaging

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"heyrelay/test/process"
)

var (
	root = flag.String("root", "", "a debootstrap to install the package in; made if it does not exist (root, minutes)")
	cold = flag.Bool("cold", false, "build for all systems twice, each time with an empty cache (an hour of CPU)")
)

// built is what packaging/dist.sh makes of the last commit, once for all tests.
var built struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// dist returns the directory of what is released, for this machine.
func dist(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("packages are built on Linux")
	}
	process.Need(t, "git", "gzip", "tar")
	built.Do(func() {
		built.dir, built.err = os.MkdirTemp("", "dist")
		if built.err == nil {
			built.err = release(built.dir)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "dist")
}

// release clones the repository into dir, so that changes that are not committed do not count,
// and builds there.
func release(dir string) error {
	top, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	clone := filepath.Join(dir, "clone")
	if out, err := exec.Command("git", "clone", "--quiet", top, clone).CombinedOutput(); err != nil {
		return fmt.Errorf("git clone: %w\n%s", err, out)
	}
	cmd := exec.Command("sh", "packaging/dist.sh", "linux/"+runtime.GOARCH)
	cmd.Env = append(process.Environment(), "OUT="+filepath.Join(dir, "dist"))
	if *cold {
		cmd.Args = cmd.Args[:2]
		cmd.Env = append(cmd.Env, "GOCACHE="+filepath.Join(dir, "cache"))
	}
	cmd.Dir = clone
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("packaging/dist.sh: %w\n%s", err, out)
	}
	return nil
}

// one returns the only file of the distribution that matches.
func one(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dist(t), pattern))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %q (%v), want one file", pattern, files, err)
	}
	return files[0]
}

// run runs a command and returns its output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// debFile is the package for this machine.
func debFile(t *testing.T) string { return one(t, "*_"+runtime.GOARCH+".deb") }

// Lintian knows Debian's policy.
func TestPackageObeysPolicy(t *testing.T) {
	process.Need(t, "lintian")
	if out := run(t, "lintian", "--allow-root", "--fail-on", "error,warning", debFile(t)); out != "" {
		t.Error(out)
	}
}

// The package has a program that knows its commit, what explains it, and a configuration that
// lacks nothing but the secret.
func TestPackageIsWhole(t *testing.T) {
	process.Need(t, "dpkg-deb", "man")
	dir := t.TempDir()
	run(t, "dpkg-deb", "-x", debFile(t), dir)
	binary := filepath.Join(dir, "usr/bin/heyrelay")
	commit := strings.TrimSpace(run(t, "git", "-C", filepath.Join(built.dir, "clone"), "rev-parse", "HEAD"))
	version := run(t, binary, "version")
	if !regexp.MustCompile(`^heyrelay v\S+ commit ` + commit[:12] + ` of 20\d\d-\S+Z linux/`).MatchString(version) {
		t.Errorf("the version is %q, the commit %s", version, commit)
	}
	page := filepath.Join(dir, "usr/share/man/man1/heyrelay-queue.1.gz")
	if text := run(t, "man", "--warnings", "-l", page); !strings.Contains(text, "--older-than") {
		t.Errorf("heyrelay-queue(1):\n%s", text)
	}
	text, err := os.ReadFile(filepath.Join(dir, "etc/heyrelay/heyrelay.yaml"))
	must(t, err)
	file := filepath.Join(dir, "heyrelay.yaml")
	here := strings.ReplaceAll(string(text), "/var/lib/heyrelay/", dir+"/") // which systemd makes
	must(t, os.WriteFile(file, []byte(here), 0o600))
	out := run(t, binary, "check", "-c", file)
	lacking := strings.Contains(out, "/heymarket_key: no such file") && strings.Contains(out, unreported)
	if !lacking || strings.Count(out, "warning: ") != 2 {
		t.Errorf("check of the packaged configuration:\n%s", out)
	}
	if files := run(t, "dpkg-deb", "--ctrl-tarfile", debFile(t)); !strings.Contains(files, "/etc/heyrelay/heyrelay.yaml") {
		t.Error("the configuration is no conffile")
	}
}

// What fails here, an administrator sees in the middle of an installation.
func TestPackageScriptsParse(t *testing.T) {
	scripts, _ := filepath.Glob("../../packaging/*/p*")
	if len(scripts) < 6 {
		t.Fatalf("only %q", scripts)
	}
	for _, script := range scripts {
		run(t, "sh", "-n", script)
	}
}

// The rpm installs the files of the deb, and removes them.
func TestRPM(t *testing.T) {
	process.Need(t, "rpm", "dpkg-deb")
	rpm, dir := one(t, "*.rpm"), t.TempDir()
	run(t, "rpm", "--root", dir, "--initdb")
	run(t, "rpm", "--root", dir, "-i", "--nodeps", "--noscripts", "--nosignature", rpm)
	if out := run(t, "rpm", "-qp", "--nosignature", "--configfiles", rpm); out != "/etc/heyrelay/heyrelay.yaml\n" {
		t.Errorf("configuration files: %q", out)
	}
	own := regexp.MustCompile(`/(doc|licenses|lintian|zsh)/`)
	var installed, packed []string
	list := run(t, "rpm", "-qp", "--nosignature", "--queryformat", `[%{FILEMODES:perms} %{FILENAMES}\n]`, rpm)
	for line := range strings.Lines(list) {
		if mode, name, _ := strings.Cut(strings.TrimSpace(line), " "); mode[0] != 'd' {
			installed = append(installed, name)
		}
	}
	for line := range strings.Lines(run(t, "dpkg-deb", "-c", debFile(t))) {
		name := strings.TrimPrefix(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), ".")
		if !strings.HasSuffix(name, "/") {
			packed = append(packed, name)
		}
	}
	apart := func(name string) bool { return own.MatchString(name) }
	installed, packed = slices.DeleteFunc(installed, apart), slices.DeleteFunc(packed, apart)
	slices.Sort(packed)
	slices.Sort(installed)
	if !slices.Equal(installed, packed) {
		t.Errorf("the rpm has\n%q\nthe deb\n%q", installed, packed)
	}
	for _, name := range installed {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	run(t, "rpm", "--root", dir, "-e", "--noscripts", "heyrelay")
	if left := run(t, "find", dir, "-name", "*heyrelay*"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

// A file that was downloaded is checked by SHA256SUMS, as docs/install.md says.
func TestSums(t *testing.T) {
	cmd := exec.Command("sha256sum", "--check", "--ignore-missing", "SHA256SUMS")
	cmd.Dir = dist(t)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), ": OK\n") < 5 {
		t.Errorf("%v\n%s", err, out)
	}
}

// The SBOM lists each module that the binary contains, with its version, or what replaces it.
func TestSBOM(t *testing.T) {
	text, err := os.ReadFile(one(t, "*.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, c := range bom.Components {
		listed = append(listed, c.Name+" "+c.Version)
	}
	dependency := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+).*(?:\n\t=>\t(\S+)\t(\S+))?`)
	binary := one(t, "heyrelay-linux-"+runtime.GOARCH)
	modules := dependency.FindAllStringSubmatch(run(t, "go", "version", "-m", binary), -1)
	for _, m := range modules {
		name, version := m[1], m[2]
		if m[3] != "" {
			name, version = m[3], m[4]
		}
		if !slices.Contains(listed, name+" "+version) {
			t.Errorf("%s %s is not listed", name, version)
		}
	}
	if len(modules) < 20 {
		t.Errorf("the binary names %d modules", len(modules))
	}
}

// The same commit gives the same bytes, in another directory, too. With -cold nothing comes
// from a cache.
func TestTwoBuildsAreEqual(t *testing.T) {
	again := t.TempDir()
	first := sums(t, dist(t))
	if err := release(again); err != nil {
		t.Fatal(err)
	}
	second := sums(t, filepath.Join(again, "dist"))
	if !maps.Equal(first, second) {
		t.Errorf("the first build:\n%v\nthe second:\n%v", first, second)
	}
	if len(first) < 8 {
		t.Errorf("only %d files were built", len(first))
	}
	t.Logf("%d files are equal", len(first))
}

// sums returns the digest of each file below a directory.
func sums(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = sha256.Sum256(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
