package readme

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heyrelay/test/process"
)

const (
	noDocker  = "not run, Docker needs its daemon; "
	noCluster = "not run, it needs a cluster"
	noSystemd = "not run, it needs a running systemd"
	noShell   = "not run, sqlite3 is not installed; TestClone of internal/spool/sqlite does the same"
	installed = "TestInstalled of test/packaging"
)

// run says where the commands of the pages are run, or why they are not. A key is the
// beginning of a line.
var run = map[string]map[string]string{
	"README.md": {
		"swaks ":  "TestTour",
		"curl ":   "TestTour",
		"printf ": "TestTour",
	},
	"docs/install.md": {
		"make dist":                     "TestTwoBuildsAreEqual of test/packaging, for one system",
		"(cd dist && sha256sum --check": "TestSums of test/packaging",
		"apt-get install ":              "not run, it needs Debian's network; " + installed + " runs dpkg",
		"heyrelay check":                "TestScripts/unread of cmd/heyrelay",
		"systemctl enable ":             noSystemd + "; TestUnitsAreValid of test/packaging",
		"heyrelay health":               "TestHealth of test/operation",
		"heyrelay try ":                 "TestScripts of cmd/heyrelay",
	},
	"docs/operating.md": {
		"heyrelay version":         "TestPackageIsWhole of test/packaging",
		"apt-get install ":         "not run, it needs Debian's network; " + installed + " upgrades with dpkg",
		"heyrelay health":          "TestHealth of test/operation",
		"heyrelay spool backup ":   "TestBackupAndRestore of test/operation",
		"systemctl ":               noSystemd,
		"rm -f /var/lib/heyrelay/": "TestBackupAndRestore of test/operation, elsewhere",
		"install -o heyrelay ":     "TestBackupAndRestore of test/operation, elsewhere",
		"journalctl ":              noSystemd,
		"heyrelay queue show ":     "TestScripts of cmd/heyrelay",
		"HTTPS_PROXY=http://proxy.example.com:3128 heyrelay check --online": "TestProxy of test/operation",
		"heyrelay queue stats": "TestScripts of cmd/heyrelay",
	},
	"docs/shadow.md": {
		"heyrelay queue list --state shadowed": "TestShadowSink of test/clients",
	},
	"docs/troubleshooting.md": {
		"heyrelay ": "TestTroubleshooting of test/guides",
	},
	"docs/guides/alertmanager.md": {"amtool ": "TestAlertmanager of test/guides"},
	"docs/guides/git.md":          {"git ": "TestGit of test/guides"},
	"docs/guides/postfix.md":      {"swaks ": "TestPostfix of test/guides"},
	"docs/api.md": {
		"for name in ": "TestAPICommands",
		"TOKEN=":       "TestAPICommands",
		"curl ":        "TestAPICommands",
		"-d ":          "TestAPICommands",
	},
	"docs/durability.md": {
		"sqlite3 heyrelay.db ": noShell,
		"version=":             noShell,
		"sqlite3 saved.db ":    noShell,
	},
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
		"kubectl port-forward ":          noCluster,
	},
}

// pages lists the pages for users, from the top of the repository.
func pages(t *testing.T) (all []string) {
	t.Helper()
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// Every command line of every page is run by a test, or has a reason not to be.
func TestEveryCommandIsRun(t *testing.T) {
	used := map[string]bool{}
	for _, name := range pages(t) {
		for _, block := range process.Blocks(page(t, name), "sh") {
			for line := range strings.Lines(block) {
				begin := beginning(name, line)
				if begin == "" {
					t.Errorf("%s: nothing runs %s", name, line)
				}
				used[name+begin] = true
			}
		}
	}
	for name, lines := range run {
		for begin := range lines {
			if !used[name+begin] {
				t.Errorf("%s has no line that begins with %s", name, begin)
			}
		}
	}
}

// beginning returns the beginning of a line that run knows, the longest; "" for none.
func beginning(name, line string) (begin string) {
	for b := range run[name] {
		if strings.HasPrefix(strings.TrimSpace(line), b) && len(b) > len(begin) {
			begin = b
		}
	}
	return begin
}

// The tests that run commands exist.
func TestNamedTestsExist(t *testing.T) {
	var tests strings.Builder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		tests.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, lines := range run {
		for begin, where := range lines {
			for _, test := range regexp.MustCompile(`\bTest\w+`).FindAllString(where, -1) {
				if !strings.Contains(tests.String(), "func "+test+"(") {
					t.Errorf("%s: %s is said to be run by %s, which does not exist", name, begin, test)
				}
			}
		}
	}
}

// The links between the pages lead somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	for _, name := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page(t, name), -1) {
			if _, err := os.Stat(filepath.Join("../..", filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
