package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestMain lets the tests start this program with one of its commands, as it does itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		main()
		return
	}
	os.Exit(m.Run())
}

// Each message of a load arrives once, and what it costs is seen.
func TestMeasure(t *testing.T) {
	g, err := startGateway(time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	f, err := measure(t.Context(), g, load{4, 401, 7, plainBody, 0})
	if err != nil {
		t.Fatal(err)
	}
	if f.lost+f.duplicates+f.refused+f.deferred > 0 || f.rate <= 0 {
		t.Errorf("%+v", f)
	}
	if f.p50 < time.Millisecond || f.p50 > f.p99 || f.p99 > f.max {
		t.Errorf("latencies %v, %v, %v", f.p50, f.p99, f.max)
	}
	if _, err := os.Stat("/proc/self/smaps_rollup"); err == nil && (f.cpu == 0 || f.peak < 1<<20) {
		t.Errorf("CPU %v, peak %d", f.cpu, f.peak)
	}
}

// Memory and CPU are those of a process and its children.
func TestTree(t *testing.T) {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("without Linux's /proc")
	}
	g, err := startGateway(0)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	if all := tree(os.Getpid()); all[0] != os.Getpid() || !slices.Contains(all, g.pid) {
		t.Errorf("%v lacks %d or %d", all, os.Getpid(), g.pid)
	}
}

// forgetful loses a message.
type forgetful struct{ behind }

func (f forgetful) arrived() (arrived, error) {
	all, err := f.behind.arrived()
	for id := range all.IDs {
		delete(all.IDs, id)
		break
	}
	return all, err
}

func TestLossIsNoMeasurement(t *testing.T) {
	_, err := rounds(t.Context(), load{2, 20, 0, smallBody, 0}, 1, func() (*target, error) {
		g, err := startGateway(0)
		if err == nil {
			g.behind = forgetful{g.behind}
		}
		return g, err
	})
	if err == nil || !strings.Contains(err.Error(), "1 lost, 0 twice") {
		t.Error(err)
	}
}

func TestCompareIDs(t *testing.T) {
	lost, duplicates := compareIDs([]string{"a", "b", "c"}, map[string]int{"a": 1, "c": 3, "other": 2})
	if lost != 1 || duplicates != 2 {
		t.Errorf("lost %d, duplicates %d", lost, duplicates)
	}
}

// The sink gives a repeat the first answer, and counts another local_id for the same message.
func TestSink(t *testing.T) {
	a := serveTestSink(t)
	post := func(body string) string {
		t.Helper()
		return postCall(t, a, "Bearer x", body, http.StatusOK)
	}
	const first = `{"text":"\"local_id\":\"z\"","local_id":"x","targets":["to:m1@load.example"]}`
	answer := post(first)
	if again := post(first); again != answer {
		t.Errorf("%s, then %s", answer, again)
	}
	post(`{"local_id":"long","targets":["to:m2@load.example"],"text":"` + strings.Repeat("x", 3*mostRead) + `"}`)
	if n, err := a.count(); n != 2 || err != nil {
		t.Errorf("%d messages (%v)", n, err)
	}
	post(strings.Replace(first, `:"x"`, `:"y"`, 1))
	all, err := a.arrived()
	if all.IDs["m1"] != 2 || all.IDs["m2"] != 1 || all.Last.IsZero() || err != nil {
		t.Errorf("%v (%v)", all, err)
	}
	if err := a.forget(); err != nil {
		t.Error(err)
	}
	if n, err := a.count(); n != 0 || err != nil {
		t.Errorf("%d messages are remembered (%v)", n, err)
	}
}

func TestSinkRefuses(t *testing.T) {
	a := serveTestSink(t)
	const call = `{"local_id":"x","targets":["to:m1@load.example"]}`
	for _, c := range []struct{ authorization, body string }{
		{"Bearer x", `{"text":"no id"}`},
		{"Bearer x", `{"local_id":"x","targets":[]}`},
		{"Bearer x", `{"other_id":"x","targets":["to:m1@load.example"]}`},
		{"Bearer x", call[:20]},
		{"Basic x", call},
	} {
		postCall(t, a, c.authorization, c.body, http.StatusBadRequest)
	}
	if _, err := a.get("/v1/team"); err != nil {
		t.Error(err)
	}
	chunked := io.MultiReader(strings.NewReader(call)) // of a length that the client does not know
	response, err := http.Post(a.url+"/v1/email/send", "application/json", chunked)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Error(response.Status)
	}
}

// A call takes the API's time.
func TestSinkLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := newSink(time.Second).answer(request{
			what:   "POST /v1/email/send",
			bearer: true,
			body:   []byte(`{"local_id":"x","targets":["to:m1@load.example"]}`),
		})
		if took := time.Since(began); took != time.Second || r.status != http.StatusOK {
			t.Errorf("%v, %s", took, r.body)
		}
	})
}

// serveTestSink serves a sink until the test ends.
func serveTestSink(t *testing.T) api {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- serveHTTP(ctx, l, newSink(0).answer) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return api{url: "http://" + l.Addr().String()}
}

// postCall calls the API and returns the answer, which must be whole and have a status.
func postCall(t *testing.T, a api, authorization, body string, status int) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, a.url+"/v1/email/send", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status || !json.Valid(answer) {
		t.Errorf("%s: %s %s %v", body, response.Status, answer, err)
	}
	return string(answer)
}

func TestPostfixLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const line = "postfix/smtp[7]: A1: to=<m1@load.example>, relay=127.0.0.1[127.0.0.1]:1, status=sent (250 2.0.0 Ok)\n"
	old := strings.Replace(line, "m1", "m0", 1)
	write(old)
	log := &postfixLog{file: file}
	if err := log.forget(); err != nil {
		t.Fatal(err)
	}
	write(old + line + strings.Replace(line, "status=sent", "status=deferred", 1) + "postfix/smtp[7]: cut off")
	n, err := log.count()
	all, err2 := log.arrived()
	if n != 1 || len(all.IDs) != 1 || all.IDs["m1"] != 1 || err != nil || err2 != nil {
		t.Errorf("%d, %v (%v, %v)", n, all.IDs, err, err2)
	}
}

func TestStuffed(t *testing.T) {
	if got := string(stuffed([]byte(".a\n..b\nc"))); got != "..a\r\n...b\r\nc\r\n.\r\n" {
		t.Errorf("%q", got)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := newMailer(dir); err == nil {
		t.Error("a folder without mail is accepted")
	}
	for _, name := range []string{"a.eml", "b.eml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("Subject: "+name+"\n\nx\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := newMailer(dir)
	if err != nil {
		t.Fatal(err)
	}
	head, rest := m.message(3, "m3")
	const want = "X-Load-Id: m3\r\nSubject: b.eml\r\n\r\nx\r\n.\r\n"
	if got := string(slices.Concat(head, rest)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTable(t *testing.T) {
	f := findings{of: map[string]results{kept: {
		now:     {{rate: 100, cpu: 4}, {rate: 800, cpu: 4}, {rate: 600, cpu: 4}},
		postfix: {{rate: 100}, {rate: 100}, {rate: 100}},
		before:  {{cpu: 7}, {cpu: 7}, {cpu: 7}},
	}}}
	file := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(file, []byte("front\n"+begin+"old\n"+end+"back\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceTable(file, f.table()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"front\n" + begin, end + "back\n",
		"| 4 KB, connections kept | 600/s | Postfix: 100/s | 6 × | at least 7 × | **not reached** |\n",
		": CPU per message | 0 µs | heyrelay before: 0 µs | 0.571 × | at most 0.5 × | **not reached** |\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old\n") || strings.Contains(string(text), "API") {
		t.Errorf("what is old or was not measured is there:\n%s", text)
	}
}
