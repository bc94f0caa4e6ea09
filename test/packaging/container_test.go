package packaging

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"heyrelay/test/process"
)

const (
	dockerfile    = "../../packaging/container/Dockerfile"
	maxCompressed = 15_000_000 // bytes of an image's layers; docs/containers.md says so
)

var architectures = []string{"amd64", "arm64"}

// builder builds images without a daemon, and runs them, in a storage of its own.
type builder struct {
	t       *testing.T
	storage []string
	context string // the directory that dist.sh makes
}

// newBuilder prepares what make dist would: the context with the binary of this machine,
// and what stands for the one of another.
func newBuilder(t *testing.T) *builder {
	t.Helper()
	process.Need(t, "buildah")
	if os.Getuid() != 0 {
		t.Skip("buildah without root needs a user namespace: run as root, or within buildah unshare")
	}
	dir := temporary(t)
	b := &builder{t: t, context: filepath.Join(dir, "context")}
	b.storage = []string{"--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", "vfs"}
	if _, err := b.run("buildah", "from", "scratch"); err != nil {
		t.Skipf("this machine builds no images: %v", err)
	}
	must(t, os.MkdirAll(b.context+"/spool/heyrelay", 0o700))
	must(t, os.WriteFile(b.context+"/ca-certificates.crt", []byte("certificates\n"), 0o644))
	for _, arch := range architectures {
		must(t, os.WriteFile(b.context+"/heyrelay-linux-"+arch, []byte("another system's\n"), 0o755))
	}
	native := b.context + "/heyrelay-linux-" + runtime.GOARCH
	must(t, os.RemoveAll(native))
	must(t, os.Link(process.Build(t), native))
	return b
}

// temporary returns a directory that is removed when the test ends. podman cleans up in the
// background, so that it can be too early to do so.
func temporary(t *testing.T) string {
	dir, err := os.MkdirTemp("", "heyrelay-container-")
	must(t, err)
	t.Cleanup(func() {
		deadline := time.Now().Add(10 * time.Second)
		for err := os.RemoveAll(dir); err != nil; err = os.RemoveAll(dir) {
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	})
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a command with the builder's storage and returns its standard output.
func (b *builder) run(program string, args ...string) (string, error) {
	cmd := exec.Command(program, append(b.globals(program), args...)...)
	// Without systemd there is no timer for health checks; the test makes them itself.
	cmd.Env = append(os.Environ(), "DISABLE_HC_SYSTEMD=true")
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		err = fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, out, failed.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// globals are the options before a subcommand.
func (b *builder) globals(program string) []string {
	if program == "podman" {
		return append([]string{"--cgroup-manager=cgroupfs", "--runtime=runc", "--events-backend=none"}, b.storage...)
	}
	return b.storage
}

func (b *builder) must(program string, args ...string) string {
	b.t.Helper()
	out, err := b.run(program, args...)
	must(b.t, err)
	return out
}

// build builds the image of an architecture, as packaging/container/build.sh does.
func (b *builder) build(arch string) (image string) {
	b.t.Helper()
	image = "heyrelay-" + arch
	b.must("buildah", "bud", "--quiet", "--format=docker", "--platform=linux/"+arch, "--tag="+image,
		"--build-arg=VERSION=v1.2.3", "--build-arg=REVISION=abc", "--timestamp=0", "--file="+dockerfile, b.context)
	return image
}

// imageConfig is the part of a Docker image's configuration that is promised.
type imageConfig struct {
	Architecture string
	Config       struct {
		User, WorkingDir, StopSignal string
		Entrypoint, Cmd, Env         []string
		Volumes, ExposedPorts        map[string]struct{}
		Labels                       map[string]string
		Healthcheck                  struct{ Test []string }
	}
}

// inspect returns the configuration of an image, and the size of its layers, which are
// compressed as for a registry.
func (b *builder) inspect(image string) (c imageConfig, compressed int64) {
	b.t.Helper()
	dir := filepath.Join(b.t.TempDir(), image)
	b.must("buildah", "push", "--quiet", image, "dir:"+dir)
	var manifest struct {
		Config struct{ Digest string }
		Layers []struct{ Size int64 }
	}
	b.read(filepath.Join(dir, "manifest.json"), &manifest)
	b.read(filepath.Join(dir, strings.TrimPrefix(manifest.Config.Digest, "sha256:")), &c)
	for _, l := range manifest.Layers {
		compressed += l.Size
	}
	return c, compressed
}

func (b *builder) read(file string, into any) {
	b.t.Helper()
	text, err := os.ReadFile(file)
	must(b.t, err)
	must(b.t, json.Unmarshal(text, into))
}

// The image is built without a daemon, for both architectures: small, without root, with a
// volume for the spool, a health check and labels.
func TestImage(t *testing.T) {
	b := newBuilder(t)
	for _, arch := range architectures {
		c, compressed := b.inspect(b.build(arch))
		t.Logf("%s: %.1f MB compressed", arch, float64(compressed)/1e6)
		if compressed > maxCompressed {
			t.Errorf("%s: %d bytes compressed, at most %d are wanted", arch, compressed, maxCompressed)
		}
		_, volume := c.Config.Volumes["/var/lib/heyrelay"]
		got := fmt.Sprint(c.Architecture, c.Config.User, c.Config.WorkingDir, c.Config.StopSignal, volume,
			c.Config.Entrypoint, c.Config.Cmd, c.Config.Healthcheck.Test, c.Config.Labels["org.opencontainers.image.version"])
		want := fmt.Sprint(arch, "65532:65532", "/var/lib/heyrelay", "SIGTERM", true,
			[]string{"/heyrelay"}, []string{"serve"}, []string{"CMD", "/heyrelay", "health"}, "v1.2.3")
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		b.checkFiles("heyrelay-"+arch, "heyrelay-linux-"+arch)
	}
}

// checkFiles wants nothing in the image but certificates, the binary of its architecture,
// and a directory for the spool that only its user can read.
func (b *builder) checkFiles(image, binary string) {
	b.t.Helper()
	container := b.must("buildah", "from", "--pull-never", image)
	root := b.must("buildah", "mount", container)
	var files []string
	must(b.t, filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, strings.TrimPrefix(path, root))
		}
		return err
	}))
	if got, want := fmt.Sprint(files), "[/etc/ssl/certs/ca-certificates.crt /heyrelay]"; got != want {
		b.t.Errorf("%s contains %s, want %s", image, got, want)
	}
	if exec.Command("cmp", root+"/heyrelay", b.context+"/"+binary).Run() != nil {
		b.t.Errorf("%s does not contain %s", image, binary)
	}
	info, err := os.Stat(root + "/var/lib/heyrelay")
	must(b.t, err)
	if info.Mode().Perm() != 0o700 {
		b.t.Errorf("%s: the mode of the spool's directory is %v", image, info.Mode())
	}
	b.must("buildah", "rm", container)
}

// podman runs an image as Kubernetes' restricted profile wants it: read-only, without
// capabilities and new privileges, and in limits that need no privilege themselves.
func (b *builder) podman(args ...string) (string, error) {
	hardened := []string{
		"run", "--pull=never", "--read-only", "--read-only-tmpfs=false", "--network=host", "--cap-drop=all",
		"--security-opt=no-new-privileges", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
	}
	return b.run("podman", append(hardened, args...)...)
}

// needContainers skips the test where the kernel lets nobody run a container, whatever is
// in the image.
func (b *builder) needContainers() {
	b.t.Helper()
	process.Need(b.t, "podman", "runc")
	if _, err := b.podman("--rm", "--rootfs", b.context, "/heyrelay-linux-"+runtime.GOARCH, "version"); err != nil {
		b.t.Skipf("this machine runs no containers: %v", err)
	}
}

// A container runs read-only, without root and with one volume. Mail that it accepted
// survives it: the next container on the volume sends it, once.
func TestContainer(t *testing.T) {
	process.Need(t, "swaks")
	b := newBuilder(t)
	b.needContainers()
	image := b.build(runtime.GOARCH)
	b.checkRefusals(image)
	key := filepath.Join(t.TempDir(), "heymarket_key")
	must(t, os.WriteFile(key, []byte("not-a-secret\n"), 0o400))
	must(t, os.Chown(key, 65532, 65532))
	smtp, api := process.FreeAddress(t), process.FreeAddress(t)
	_, port, err := net.SplitHostPort(smtp)
	must(t, err)
	serve := documented(t, "docker run --detach ", strings.NewReplacer(
		"./heymarket_key:", key+":", "0.0.0.0:2525", "0.0.0.0:"+port, "74f80a77", "demo",
		" heyrelay\n", " --env HEYRELAY_BASE_URL=http://"+api+" "+image,
	))
	b.removeContainers()

	b.start(serve)
	queued := b.send(smtp)
	b.must("podman", "stop", "heyrelay")
	if code := b.must("podman", "inspect", "--format={{.State.ExitCode}}", "heyrelay"); code != "0" {
		t.Errorf("exit code %s after podman stop", code)
	}
	b.must("podman", "rm", "heyrelay")

	must(t, second(b.podman("--detach", "--name=sandbox", image, "sandbox", "--address="+api)))
	b.start(serve)
	messages := process.AwaitMessages(t, "http://"+api, 1)
	b.send(smtp)
	messages = process.AwaitMessages(t, "http://"+api, len(messages)+1)
	if len(messages) != 2 {
		t.Errorf("%d messages, want the one of the former container and the new one", len(messages))
	}
	b.must("podman", append([]string{"exec"}, documented(t, "docker exec heyrelay /heyrelay try ", nil)...)...)
	list := b.must("podman", append([]string{"exec"}, documented(t, "docker exec heyrelay /heyrelay queue ", nil)...)...)
	if !strings.Contains(list, "you@example.com") {
		t.Errorf("queue list: %s", list)
	}
	show := b.must("podman", "exec", "heyrelay", "/heyrelay", "queue", "show", queued)
	if !strings.Contains(show, "sent") {
		t.Errorf("the first message: %s", show)
	}
}

// checkRefusals wants an advice where somebody starts the image without a configuration, or
// with a file or a volume that its user cannot use.
func (b *builder) checkRefusals(image string) {
	b.t.Helper()
	dir := b.t.TempDir()
	key := filepath.Join(dir, "key")
	must(b.t, os.WriteFile(key, []byte("not-a-secret\n"), 0o600))
	configured := []string{"--env=HEYRELAY_INBOX=202", "--env=HEYRELAY_CREATOR_ID=55", "--env=HEYRELAY_SECRET_ID=demo"}
	for _, c := range []struct {
		reason string
		args   []string
	}{
		{"set HEYRELAY_INBOX, HEYRELAY_CREATOR_ID, ", nil},
		{
			"cannot read /key: permission denied for user 65532",
			append(configured, "--env=HEYRELAY_SECRET_KEY_FILE=/key", "--volume="+key+":/key:ro"),
		},
		{
			"must be writable for user 65532",
			append(configured, "--env=HEYRELAY_SECRET_KEY=x", "--volume="+dir+":/var/lib/heyrelay"),
		},
	} {
		args := append([]string{"--rm"}, c.args...)
		_, err := b.podman(append(args, image)...)
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			b.t.Errorf("want %q, got %v", c.reason, err)
		}
	}
}

// documented returns the arguments of the command in docs/containers.md that begins so,
// without docker and its subcommand, after replacements.
func documented(t *testing.T, begin string, r *strings.Replacer) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/containers.md")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, begin) {
			if r != nil {
				line = r.Replace(line)
			}
			return strings.Fields(line)[2:]
		}
	}
	t.Fatalf("docs/containers.md has no line that begins with %q", begin)
	return nil
}

// removeContainers removes all containers when the test ends.
func (b *builder) removeContainers() {
	b.t.Cleanup(func() { b.must("podman", "rm", "--all", "--force", "--time=0") })
}

// The first command that somebody runs needs no account, and no writable file but /tmp.
func TestDemoContainer(t *testing.T) {
	b := newBuilder(t)
	b.needContainers()
	image := b.build(runtime.GOARCH)
	demo := documented(t, "docker run --rm --network host ", strings.NewReplacer(
		"--network host ", "", "heyrelay demo", "--name demo "+image+" demo"))
	b.removeContainers()
	must(t, second(b.podman(append([]string{"--detach"}, demo...)...)))
	for deadline := time.Now().Add(30 * time.Second); ; {
		log := b.must("podman", "logs", "demo")
		if strings.Contains(log, "Press Ctrl-C") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(log)
		}
	}
}

func second(_ string, err error) error { return err }

// start starts a container of heyrelay and waits until it is healthy.
func (b *builder) start(serve []string) {
	b.t.Helper()
	must(b.t, second(b.podman(serve...)))
	for deadline := time.Now().Add(30 * time.Second); ; {
		_, err := b.run("podman", "healthcheck", "run", "heyrelay")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not healthy: %v\n%s", err, b.must("podman", "logs", "heyrelay"))
		}
	}
}

// send sends a mail with swaks and returns its queue id.
func (b *builder) send(smtp string) (id string) {
	b.t.Helper()
	out, err := exec.Command("swaks", "--server", smtp, "--from", "shop@example.com", "--to", "alice@example.com").Output()
	queued := regexp.MustCompile(`queued as (\w+)`).FindSubmatch(out)
	if err != nil || queued == nil {
		b.t.Fatalf("swaks: %v\n%s", err, out)
	}
	return string(queued[1])
}
