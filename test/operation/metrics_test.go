package operation

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"heyrelay/test/process"
)

const packaging = "../../packaging/"

// scrape starts a relay with metrics, sends messages through it, and returns the metrics.
func scrape(t *testing.T) string {
	t.Helper()
	h := startHouse(t)
	h.process.Stop()
	address := process.FreeAddress(t)
	h.write("heyrelay.yaml", h.text("heyrelay.yaml")+"\nmetrics: {address: \""+address+"\"}\n")
	h.start()
	send(t, h.smtp, 1)
	h.process.Await("msg=sent")
	const want = `heyrelay_requests_finished_total{outcome="sent",route="inbox-202"} 1`
	for deadline := time.Now().Add(30 * time.Second); ; {
		text := fetch(t, "http://"+address+"/metrics")
		if strings.Contains(text, want) {
			return text
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s in\n%s", want, text)
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Prometheus' own tool accepts the metrics of the binary.
func TestPromtoolChecksMetrics(t *testing.T) {
	process.Need(t, "promtool")
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape(t))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// Each alert fires when it should, and not before.
func TestPromtoolTestsRules(t *testing.T) {
	process.Need(t, "promtool")
	cmd := exec.Command("promtool", "test", "rules", "alerts_test.yml")
	cmd.Dir = packaging + "prometheus"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

// named matches the metrics of heyrelay in a rule or a dashboard.
var named = regexp.MustCompile(`heyrelay_[a-z_]+[a-z]`)

// Alert rules and dashboard name only metrics that the relay has, and each alert has a
// test. Metrics that appear with their first event count as had if their source makes
// them.
func TestRulesAndDashboardNameMetricsThatExist(t *testing.T) {
	source := read(t, "../../internal/metrics/metrics.go") + read(t, "../../internal/metrics/state.go")
	for _, file := range []string{"prometheus/alerts.yml", "grafana/heyrelay.json"} {
		names := named.FindAllString(read(t, packaging+file), -1)
		if len(names) < 5 {
			t.Errorf("%s names %d metrics", file, len(names))
		}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
			base := strings.TrimSuffix(strings.TrimPrefix(name, "heyrelay_"), "_bucket")
			if !strings.Contains(source, `"`+base+`"`) && !strings.Contains(source, `"_`+base+`"`) {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
	}
	tests := read(t, packaging+"prometheus/alerts_test.yml")
	rules := read(t, packaging+"prometheus/alerts.yml")
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		if !strings.Contains(tests, "alertname: "+alert[1]+"\n") {
			t.Errorf("alert %s has no test", alert[1])
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
