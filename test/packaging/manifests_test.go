package packaging

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"heyrelay/test/process"
)

const (
	compose  = "../../packaging/compose/"
	sidecar  = "../../packaging/kubernetes/sidecar/sidecar.yaml"
	chart    = "../../packaging/helm/heyrelay"
	rendered = "../chart/testdata/"
	unit     = "../../packaging/systemd/heyrelay.service"
)

// What make chart wrote is of the chart as it is.
func TestChartIsRendered(t *testing.T) {
	var sum strings.Builder
	must(t, fs.WalkDir(os.DirFS(chart), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || name == "README.md" {
			return err
		}
		text, err := os.ReadFile(filepath.Join(chart, name))
		fmt.Fprintf(&sum, "%x  %s\n", sha256.Sum256(text), name)
		return err
	}))
	want, err := os.ReadFile(rendered + "chart.sum")
	must(t, err)
	if sum.String() != string(want) {
		t.Error("the chart has changed since test/chart/testdata was written: run make chart")
	}
}

// contains wants parts in a file.
func contains(t *testing.T, file string, parts ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	for _, part := range parts {
		if !bytes.Contains(text, []byte(part)) {
			t.Errorf("%s: no %q", file, part)
		}
	}
}

// The alert rules ask for one job. The metrics of the chart are in it, whatever the release is called, and so are
// those of the sidecar, by what docs/containers.md configures.
func TestAlertsFindTheRelease(t *testing.T) {
	contains(t, "../../packaging/prometheus/alerts.yml", `up{job="heyrelay"}`)
	contains(t, rendered+"everything.yaml", "jobLabel: app.kubernetes.io/name", "app.kubernetes.io/name: heyrelay\n")
	contains(t, "../../docs/containers.md", "job_name: heyrelay\n", "regex: heyrelay;metrics\n")
	for _, file := range []string{sidecar, rendered + "smallest.yaml"} {
		contains(t, file, "- name: heyrelay\n", "- {name: metrics, containerPort: ")
	}
}

// After an upgrade, nothing that starts heyrelay gives it up while it migrates a large spool.
func TestSpoolMayMigrate(t *testing.T) {
	contains(t, unit, "TimeoutStartSec=infinity\n")
	contains(t, dockerfile, "--start-period=1h ")
	for _, file := range []string{sidecar, rendered + "smallest.yaml"} {
		contains(t, file, "periodSeconds: 1\n", "failureThreshold: 3600\n")
	}
}

// container is a container of a pod or of a Compose file.
type container struct {
	Name string
	Env  []struct{ Name, Value string }
}

// manifest is the part of a manifest that configures heyrelay.
type manifest struct {
	Kind string
	Data map[string]string
	Spec struct {
		Template struct {
			Spec struct {
				InitContainers []container `yaml:"initContainers"`
				Containers     []container
			}
		}
	}
}

// manifests reads a file with manifests of Kubernetes.
func manifests(t *testing.T, file string) (all []manifest) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) {
			return all
		}
		must(t, err)
		all = append(all, m)
	}
}

// place is what stands for the directories of a container.
type place struct {
	dir   string
	paths *strings.Replacer
}

func newPlace(t *testing.T) place {
	dir := t.TempDir()
	for _, name := range []string{"key", "heymarket_key"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("not-a-secret"), 0o600))
	}
	return place{dir, strings.NewReplacer(
		"/run/secrets/heyrelay/", dir+"/", "/run/secrets/heymarket/", dir+"/", "/run/secrets/sandbox/", dir+"/",
		"/run/secrets/tls/tls.crt", dir+"/cert.pem", "/run/secrets/tls/tls.key", dir+"/key.pem",
		"/run/secrets/", dir+"/", "/var/lib/heyrelay/", dir+"/",
	)}
}

// check runs heyrelay check with an environment and a file, if there is one, and wants the
// warnings that contain warned.
func (p place) check(t *testing.T, binary string, environ []string, file string, warned ...string) {
	t.Helper()
	args := []string{"check"}
	if file != "" {
		name := filepath.Join(p.dir, "heyrelay.yaml")
		must(t, os.WriteFile(name, []byte(p.paths.Replace(file)), 0o600))
		args = append(args, "-c", name)
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = p.dir
	cmd.Env = process.Environment()
	for _, e := range environ {
		cmd.Env = append(cmd.Env, p.paths.Replace(e))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if got := strings.Count(string(out), "warning: "); got != len(warned) {
		t.Errorf("%d warnings, want %q:\n%s", got, warned, out)
	}
	for _, w := range warned {
		if !strings.Contains(string(out), w) {
			t.Errorf("no warning %q:\n%s", w, out)
		}
	}
}

const (
	unreported  = "senders are not notified"
	unencrypted = "are sent unencrypted to"
)

// The variables of the sidecar and the file of the chart are valid configurations.
func TestManifestsConfigure(t *testing.T) {
	binary := process.Build(t)
	for _, c := range []struct {
		file   string
		warned []string
	}{
		{sidecar, []string{unreported}},
		{rendered + "kustomized.yaml", []string{unreported}},
		{rendered + "smallest.yaml", []string{unreported}},
		{rendered + "sandbox.yaml", []string{unreported, unencrypted}},
		{rendered + "everything.yaml", nil},
	} {
		t.Run(filepath.Base(c.file), func(t *testing.T) {
			p := newPlace(t)
			p.writeCertificate(t, binary)
			environ, file := configuration(manifests(t, c.file))
			if len(environ) == 0 && file == "" {
				t.Fatal("it configures nothing")
			}
			p.check(t, binary, environ, file, c.warned...)
		})
	}
}

// writeCertificate makes the certificate that the secret of the chart would contain.
func (p place) writeCertificate(t *testing.T, binary string) {
	t.Helper()
	cmd := exec.Command(binary, "cert", "--dir", p.dir, "localhost")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("heyrelay cert: %v\n%s", err, out)
	}
}

// configuration returns the variables of the container named heyrelay, and the file of a
// ConfigMap.
func configuration(all []manifest) (environ []string, file string) {
	for _, m := range all {
		if m.Kind == "ConfigMap" {
			file = m.Data["heyrelay.yaml"]
		}
		spec := m.Spec.Template.Spec
		for _, c := range append(spec.InitContainers, spec.Containers...) {
			for _, v := range c.Env {
				if c.Name == "heyrelay" {
					environ = append(environ, v.Name+"="+v.Value)
				}
			}
		}
	}
	return environ, file
}

// Compose understands the file, with and without the sandbox, and its variables are a valid
// configuration.
func TestCompose(t *testing.T) {
	process.Need(t, "docker-compose")
	binary := process.Build(t)
	for _, c := range []struct {
		env     string
		sandbox bool
		warned  []string
	}{
		{"heyrelay.env", false, []string{unreported}},
		{"sandbox.env", true, []string{unreported, unencrypted}},
	} {
		t.Run(c.env, func(t *testing.T) {
			cmd := exec.Command("docker-compose", "--env-file", c.env, "config")
			cmd.Dir = compose
			out, err := cmd.Output()
			must(t, err)
			var stack struct {
				Services map[string]struct{ Environment map[string]string }
			}
			must(t, yaml.Unmarshal(out, &stack))
			var environ []string
			for name, value := range stack.Services["heyrelay"].Environment {
				environ = append(environ, name+"="+value)
			}
			newPlace(t).check(t, binary, environ, "", c.warned...)
		})
	}
}
