package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"heyrelay/test/process"
)

const units = "../../packaging/systemd/"

// copyUnits copies the units to a directory, with a program that exists on this machine.
func copyUnits(t *testing.T) (files []string) {
	t.Helper()
	all, err := filepath.Glob(units + "heyrelay*")
	if err != nil || len(all) == 0 {
		t.Fatalf("no units in %s: %v", units, err)
	}
	dir := t.TempDir()
	for _, f := range all {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		unit := strings.ReplaceAll(string(text), "/usr/bin/heyrelay", "/bin/true")
		unit = strings.Replace(unit, "Documentation=man:heyrelay(1)\n", "", 1)
		name := filepath.Join(dir, filepath.Base(f))
		if err := os.WriteFile(name, []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	return files
}

// Systemd understands each unit, and finds no unknown setting. It also reads the units of this machine,
// which are none of our business.
func TestUnitsAreValid(t *testing.T) {
	process.Need(t, "systemd-analyze")
	args := append([]string{"verify", "--man=no"}, copyUnits(t)...)
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "heyrelay") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// The service is confined: its exposure is 2.0 or less of 10.
func TestServiceIsConfined(t *testing.T) {
	process.Need(t, "systemd-analyze")
	const limit = "--threshold=20"
	cmd := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", limit, units+"heyrelay.service")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}
