package readme

import (
	"strings"
	"testing"
)

// elsewhere has the commands of pages that this package does not run: where they are run,
// or why they are not. A key is the beginning of a line.
var elsewhere = map[string]map[string]string{
	"docs/environment.md": {
		"HEYRELAY_INBOX=202 ": "TestConfigurations",
	},
	"docs/containers.md": {
		"make image":                            "not run: it builds for every system; test/packaging, TestImage, builds both images from their Dockerfile",
		"docker load ":                          "not run: Docker has no daemon here; test/packaging, TestContainer, runs the image",
		"docker build ":                         "not run: Docker has no daemon here; test/packaging, TestImage, builds from the same Dockerfile",
		"docker run --rm --network host ":       "test/packaging, TestDemoContainer",
		"docker run --detach ":                  "test/packaging, TestContainer",
		"docker exec heyrelay /heyrelay ":       "test/packaging, TestContainer",
		"docker compose --env-file ":            "not run: Docker has no daemon here; test/packaging, TestCompose, has Compose read the file",
		"kubectl create secret generic ":        "not run: it needs a cluster",
		"kubectl apply --filename sidecar.yaml": "not run: it needs a cluster; test/chart decodes the file as Kubernetes does",
		"kubectl apply --kustomize ":            "not run: it needs a cluster; test/chart runs kubectl kustomize",
		"kubectl exec ":                         "not run: it needs a cluster",
		"helm lint ":                            "test/chart, by make chart",
		"helm template ":                        "test/chart, by make chart",
	},
	"packaging/helm/heyrelay/README.md": {
		"helm install ":                  "not run: it needs a cluster; test/chart renders the same values",
		"kubectl create secret generic ": "not run: it needs a cluster",
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
