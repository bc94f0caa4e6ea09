package operation

import (
	"errors"
	"flag"
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heyrelay/test/process"
)

var reloads = flag.Int("reloads", 10, "how often the configuration is reloaded while clients send")

const clients = 32

// The two configurations between which the reloads change: listeners, pages, teams, routes, users,
// limits, aliases, the log, the webhook and the reports.
const (
	common = `
hostname: relay.example.com
heymarket: {base_url: %[1]q, timeout: 5s}
spool: {url: "sqlite:spool.db", min_free: 1MB}
teams: {shop: {secrets: [{id: old, key_file: old.key}], rate: 6000000/min}%[5]s}
listeners:
  - {address: %[2]q}
`
	first = `
metrics: {address: %[4]q}
routes: [{inbox: 202, creator_id: 55}]
`
	second = `  - {address: %[3]q, allow: [10.0.0.0/8]}
metrics: {address: %[4]q}
routes:
  - {name: more, inbox: 203, creator_id: 55, team: office, match: {sender: nobody@example.com}}
  - {inbox: 202, creator_id: 55, team: shop}
users: [{name: redmine, password_hash: "$2y$04$abcdefghijklmnopqrstuuxz7bsiTZrx4f3Iq4Lt3YQUjd1NhOTgO"}]
limits: {recipients: 200, connections: 500}
aliases: {root: ops@example.com}
log: {level: debug, format: json}
delivery: {retry_max: 2h, expire: 1d}
bounces: {smarthost: "smtp://127.0.0.1:1"}
`
)

// While clients send without a pause, the configuration is reloaded again and again, each time
// after a broken one. No connection ends, no message is lost or doubled, each broken one is reported
// and changes nothing, and in the end no goroutine and no file is left over.
func TestReloads(t *testing.T) {
	h := newHouse(t, "old-key")
	other, pages := process.FreeAddress(t), process.FreeAddress(t)
	variant := func(n int) string {
		office, text := "", first
		if n%2 == 1 {
			office, text = `, office: {api_key: "key"}`, second
		}
		return fmt.Sprintf(common+text, h.gate.url, h.smtp, other, pages, office)
	}
	h.write("heyrelay.yaml", variant(0))
	h.start()
	idle := census(t, h, pages)

	var sending sync.WaitGroup
	var sent [clients]int
	var enough atomic.Bool
	for n := range clients {
		sending.Go(func() {
			var err error
			sent[n], err = sendUntil(h.smtp, n, enough.Load)
			if err != nil {
				t.Errorf("client %d, after %d messages: %v", n, sent[n], err)
			}
		})
	}
	for n := range *reloads {
		h.write("heyrelay.yaml", strings.Replace(variant(n+1), "creator_id: 55", "creator_id: none", 1))
		if out, code := h.reload(); code != 78 || !strings.Contains(out, "creator_id") {
			t.Errorf("a broken configuration: exit code %d, %s", code, out)
		}
		h.write("heyrelay.yaml", variant(n+1))
		if out, code := h.reload(); code != 0 || !strings.Contains(out, "changed: ") {
			t.Errorf("reload %d: exit code %d, %s", n+1, code, out)
		}
	}
	h.write("heyrelay.yaml", variant(0))
	h.reload()
	enough.Store(true)
	sending.Wait()

	total := 0
	for _, n := range sent {
		total += n
	}
	all := awaitBacklog(t, h.gate.url, total)
	if got := recipients(all); len(all) != total || len(got) != total {
		t.Errorf("%d messages to %d recipients, want %d", len(all), len(got), total)
	}
	after := census(t, h, pages)
	for late := time.Now().Add(20 * time.Second); after.exceed(idle) && time.Now().Before(late); {
		after = census(t, h, pages) // what a reload ended may take its time on a busy machine
	}
	t.Logf("%d reloads and as many refused ones while %d clients sent %d messages; goroutines %d before, "+
		"%d after; open files %d before, %d after",
		*reloads, clients, total, idle.goroutines, after.goroutines, idle.files, after.files)
	if after.exceed(idle) {
		t.Error("goroutines or files are left over")
	}
	if code := h.process.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// reload runs heyrelay reload.
func (h *house) reload() (out string, code int) {
	text, err := exec.Command(h.binary, "reload", "-c", h.config).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		h.t.Fatal(err)
	}
	if ended != nil {
		code = ended.ExitCode()
	}
	return string(text), code
}

// awaitBacklog waits until the sandbox has n messages, as long as they keep coming.
func awaitBacklog(t *testing.T, url string, n int) []process.Message {
	t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	had, since := -1, time.Now()
	for {
		all := process.Messages(t, url)
		if len(all) >= n {
			return all
		}
		if len(all) > had {
			had, since = len(all), time.Now()
		}
		if time.Since(since) > patience {
			t.Fatalf("the sandbox has %d messages, want %d", len(all), n)
		}
		<-tick.C
	}
}

// sendUntil sends messages in one session until there are enough, and returns how many.
func sendUntil(address string, client int, enough func() bool) (n int, err error) {
	c, err := smtp.Dial(address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for !enough() {
		if err := sendOne(c, fmt.Sprintf("c%d.%d@example.com", client, n)); err != nil {
			return n, err
		}
		n++
	}
	return n, c.Quit()
}

func sendOne(c *smtp.Client, to string) error {
	if err := errors.Join(c.Mail("app@example.com"), c.Rcpt(to)); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "To: %s\r\nSubject: Mail\r\nMessage-ID: <%s>\r\n\r\nHello.\r\n", to, to)
	return w.Close()
}

// slack is how many goroutines or files may come and go by themselves.
const slack = 3

type counts struct{ goroutines, files int }

// exceed reports whether there is clearly more than before.
func (c counts) exceed(before counts) bool {
	return c.goroutines > before.goroutines+slack || c.files > before.files+slack
}

// census counts what an idle relay has, once that does not change any more.
func census(t *testing.T, h *house, pages string) counts {
	t.Helper()
	h.gate.server.CloseClientConnections()
	var last counts
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for same := 0; same < 5; same++ {
		<-tick.C
		now := counts{goroutines(t, pages), files(t, h.process.PID())}
		if now != last {
			same = 0
		}
		last = now
	}
	return last
}

var goGoroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

func goroutines(t *testing.T, pages string) int {
	t.Helper()
	found := goGoroutines.FindStringSubmatch(fetch(t, "http://"+pages+"/metrics"))
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// files counts the open files of a process; 0 where the system does not report it.
func files(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return len(all)
}
