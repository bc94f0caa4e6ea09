package chart

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

const (
	chart      = "../../packaging/helm/heyrelay"
	kubernetes = "../../packaging/kubernetes/"
)

var update = flag.Bool("update", false, "write the rendered manifests and the sum of the chart to testdata")

// helm runs Helm in the version of go.mod.
func helm(args ...string) (string, error) {
	cmd := exec.Command("go", append([]string{"tool", "helm"}, args...)...)
	var out, problems bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("helm %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), problems.String())
	}
	return out.String(), nil
}

// Helm lints and renders the chart with each file of values, Kubernetes understands the
// result, and it is what testdata has.
func TestChart(t *testing.T) {
	all, err := filepath.Glob(chart + "/ci/*-values.yaml")
	if err != nil || len(all) < 3 {
		t.Fatalf("%d files of values, %v", len(all), err)
	}
	for _, values := range all {
		name := strings.TrimSuffix(filepath.Base(values), "-values.yaml")
		t.Run(name, func(t *testing.T) {
			if _, err := helm("lint", "--strict", chart, "--values", values); err != nil {
				t.Error(err)
			}
			got, err := helm("template", "heyrelay", chart, "--namespace", "mail", "--values", values)
			if err != nil {
				t.Fatal(err)
			}
			decode(t, got)
			compare(t, "testdata/"+name+".yaml", got)
		})
	}
	compare(t, "testdata/chart.sum", sum(t))
}

// sum lists the files of the chart, except its README, with their SHA-256, as sha256sum does.
func sum(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(os.DirFS(chart), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || name == "README.md" {
			return err
		}
		text, err := os.ReadFile(filepath.Join(chart, name))
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(text), name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is out of date: run make chart; got\n%s", file, got)
	}
}

// decode reads manifests with the types of Kubernetes, which have no key that is unknown.
// ServiceMonitor is not one of them.
func decode(t *testing.T, manifests string) {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	decoded := 0
	for _, m := range strings.Split(manifests, "\n---\n") {
		if strings.Contains(m, "\nkind: ServiceMonitor\n") {
			continue
		}
		object, _, err := decoder.Decode([]byte(m), nil, nil)
		if err != nil {
			t.Errorf("%v in\n%s", err, m)
		}
		restricted(t, object)
		decoded++
	}
	if decoded < 2 {
		t.Errorf("%d manifests", decoded)
	}
}

// restricted wants the pods of a workload to conform to the Pod Security Standard of that
// name, except for the container of the application.
func restricted(t *testing.T, object runtime.Object) {
	t.Helper()
	var template corev1.PodTemplateSpec
	switch o := object.(type) {
	case *appsv1.StatefulSet:
		template = o.Spec.Template
	case *appsv1.Deployment:
		template = o.Spec.Template
	default:
		return
	}
	template.Spec.Containers = slices.DeleteFunc(template.Spec.Containers, func(c corev1.Container) bool {
		return c.Name == "shop"
	})
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, r := range evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
		if !r.Allowed {
			t.Errorf("%T: %s: %s", object, r.ForbiddenReason, r.ForbiddenDetail)
		}
	}
}

// Values that cannot work are refused, with the reason.
func TestRefusedValues(t *testing.T) {
	for _, c := range []struct{ values, reason string }{
		{"image.tag=v1", "set config.teams and config.routes"},
		{"sandbox.enabled=true,replicas=2", "/replicas"},
		{"sandbox.enable=true", "'enable' not allowed"},
		{"sandbox.enabled=true,allow={lan}", "/allow/0"},
		{"sandbox.enabled=true,spool.sqlite.accessModes={ReadWriteMany}", "accessModes"},
	} {
		_, err := helm("template", chart, "--set", c.values)
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: want %q, got %v", c.values, c.reason, err)
		}
	}
}

// Kubernetes understands the sidecar.
func TestSidecar(t *testing.T) {
	text, err := os.ReadFile(kubernetes + "sidecar/sidecar.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decode(t, string(text))
}

// Kustomize adds the sandbox to the sidecar, and Kubernetes understands the result.
func TestSandboxOverlay(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("kubectl is missing")
	}
	out, err := exec.Command("kubectl", "kustomize", kubernetes+"sandbox").Output()
	if err != nil {
		t.Fatal(err)
	}
	decode(t, string(out))
	compare(t, "testdata/kustomized.yaml", string(out))
}
