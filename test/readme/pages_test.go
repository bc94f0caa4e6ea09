package readme

import (
	"strings"
	"testing"
)

const (
	noDocker  = "not run, Docker needs its daemon; "
	noCluster = "not run, it needs a cluster"
)

// elsewhere has the commands of pages that this package does not run: where they are run,
// or why they are not. A key is the beginning of a line.
var elsewhere = map[string]map[string]string{
	"docs/environment.md": {
		"HEYRELAY_INBOX=202 ": "TestConfigurations",
	},
	"docs/containers.md": {
		"make image":                            "not run, it builds for every system; TestImage of test/packaging",
		"docker load ":                          noDocker + "TestContainer of test/packaging runs the image",
		"docker build ":                         noDocker + "TestImage of test/packaging builds it with buildah",
		"docker run --rm --network host ":       "TestDemoContainer of test/packaging",
		"docker run --detach ":                  "TestContainer of test/packaging",
		"docker exec heyrelay /heyrelay ":       "TestContainer of test/packaging",
		"docker compose --env-file ":            noDocker + "TestCompose of test/packaging reads the file",
		"kubectl create secret generic ":        noCluster,
		"kubectl apply --filename sidecar.yaml": noCluster + "; test/chart decodes the file as Kubernetes does",
		"kubectl apply --kustomize ":            noCluster + "; test/chart runs kubectl kustomize",
		"kubectl exec ":                         noCluster,
		"helm lint ":                            "test/chart, by make chart",
		"helm template ":                        "test/chart, by make chart",
	},
	"packaging/helm/heyrelay/README.md": {
		"helm install ":                  noCluster + "; test/chart renders the same values",
		"kubectl create secret generic ": noCluster,
	},
}

// Every command line of these pages is run by a test, or has a reason not to be.
func TestEveryCommandIsRun(t *testing.T) {
	for name, lines := range elsewhere {
		used := map[string]bool{}
		for _, block := range blocks(page(t, name), "sh") {
			for line := range strings.Lines(block) {
				known := false
				for begin := range lines {
					if strings.HasPrefix(line, begin) {
						known = true
						used[begin] = true
					}
				}
				if !known {
					t.Errorf("%s: nothing runs %s", name, line)
				}
			}
		}
		for begin := range lines {
			if !used[begin] {
				t.Errorf("%s has no line that begins with %s", name, begin)
			}
		}
	}
}
