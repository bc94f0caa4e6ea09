package relay

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/smtp"
	"path/filepath"
	"strings"
	"testing"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/test/process"
)

// reloading is a relay whose configuration a test changes.
type reloading struct {
	*Relay
	*recorder
	t    *testing.T
	sent sink
	next func() (*config.Config, error)
}

// anywhere is a configuration without listeners.
var anywhere = strings.Replace(oneRoute, `listeners: [{address: "127.0.0.1:0"}]`, "", 1)

// newReloading starts a relay on loopback, which ends with the test.
func newReloading(t *testing.T, text string) *reloading {
	t.Helper()
	r := &reloading{t: t, recorder: &recorder{}, sent: sink{events.Sent, make(chan events.Event, 100)}}
	var err error
	r.Relay, err = New(parse(t, text), Parts{
		Store:     open(t),
		Sink:      events.Sinks{r.recorder, r.sent},
		Transport: sandbox.New(sandbox.Options{}),
		Random:    rand.Reader,
		Load:      func() (*config.Config, error) { return r.next() },
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, r.Relay)
	return r
}

// to reloads another configuration.
func (r *reloading) to(text string) (Reloaded, error) {
	r.next = func() (*config.Config, error) { return parse(r.t, text), nil }
	return r.Reload()
}

// must is to without an error.
func (r *reloading) must(text string) Reloaded {
	r.t.Helper()
	done, err := r.to(text)
	if err != nil {
		r.t.Fatal(err)
	}
	return done
}

// mail sends a message to a listener.
func (r *reloading) mail(address string) error {
	text := "To: alice@example.com\r\nSubject: x\r\nMessage-ID: <" + rand.Text() + "@x>\r\n\r\nx\r\n"
	return smtp.SendMail(address, nil, "app@example.com", []string{"alice@example.com"}, []byte(text))
}

// A reload says what it has changed, and what needs a restart until that comes.
func TestReload(t *testing.T) {
	r := newReloading(t, oneRoute)
	done := r.must(oneRoute + "limits: {connections: 7}\nspool: {url: \"sqlite:other.db\"}\n")
	if got := fmt.Sprint(done); got != "changed limits.connections; restart heyrelay to apply spool.url" {
		t.Errorf("%s", got)
	}
	if !strings.Contains(r.lines(), "reloaded changed limits.connections; restart heyrelay to apply spool.url") {
		t.Error("the log does not say it")
	}
	done = r.must(oneRoute + "spool: {url: \"sqlite:other.db\"}\n")
	if got := fmt.Sprint(done); got != "changed limits.connections; restart heyrelay to apply spool.url" {
		t.Errorf("the second time: %s", got)
	}
	if got := fmt.Sprint(r.must(oneRoute)); got != "nothing has changed" {
		t.Errorf("after going back: %s", got)
	}
}

// A configuration that cannot be loaded, or whose listener cannot be opened, leaves the previous
// one in force: its listeners, and what was opened for the other one is closed.
func TestReloadFails(t *testing.T) {
	r := newReloading(t, oneRoute)
	before, address := r.setup.Load(), r.Addrs()[0].String()
	r.next = func() (*config.Config, error) { return nil, errors.New("line 7 is wrong") }
	if _, err := r.Reload(); err == nil || err.Error() != "line 7 is wrong" {
		t.Errorf("error %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := process.FreeAddress(t)
	two := anywhere + `listeners: [{address: %q}, {address: %q}]`
	_, err = r.to(fmt.Sprintf(two, free, taken.Addr()))
	if err == nil || !strings.Contains(err.Error(), "listeners[1]: ") || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("error %v", err)
	}
	if r.setup.Load() != before {
		t.Error("another set-up is in force")
	}
	if err := r.mail(address); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", free); err == nil {
		t.Error("what was opened is not closed")
	}
	if got := r.lines(); !strings.Contains(got, "error the configuration could not be reloaded") {
		t.Errorf("recorded %s", got)
	}
}

// A unix socket that another program has is no reason to close one of ours, not even for a moment.
func TestReloadToATakenSocket(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours.sock"), filepath.Join(dir, "theirs.sock")
	taken, err := net.Listen("unix", theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	listening := anywhere + `listeners: [{address: "unix:%s"}]`
	r := newReloading(t, fmt.Sprintf(listening, ours))
	kept := r.listeners.open[0].Listener
	if _, err := r.to(fmt.Sprintf(listening, theirs)); err == nil {
		t.Error("no error")
	}
	if r.listeners.open[0].Listener != kept {
		t.Error("it was closed and opened again")
	}
}

// An address stays open while it is configured, under whatever index. One that is added is
// served, one that is removed is not.
func TestReloadListeners(t *testing.T) {
	a, b := process.FreeAddress(t), process.FreeAddress(t)
	listening := func(all ...string) string {
		text := anywhere + "listeners:\n"
		for _, address := range all {
			text += fmt.Sprintf("  - {address: %q}\n", address)
		}
		return text
	}
	r := newReloading(t, listening(a))
	kept := r.listeners.open[0].Listener
	r.must(listening(b, a))
	for _, address := range []string{a, b} {
		if err := r.mail(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if r.listeners.open[1].Listener != kept {
		t.Error("a listener was opened again that had not changed")
	}
	if got := fmt.Sprint(r.Addrs()); got != fmt.Sprintf("[%s %s]", b, a) {
		t.Errorf("addresses %s", got)
	}
	r.must(listening(b))
	if err := r.mail(b); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", a); err == nil {
		t.Error("the removed listener is open")
	}
	r.must(listening(a))
	if err := r.mail(a); err != nil {
		t.Error(err)
	}
}

// The same port on all addresses takes the place of the one on loopback, and back. If what
// else is to be opened cannot be, the first one is served again.
func TestReloadWidens(t *testing.T) {
	local := process.FreeAddress(t)
	_, port, _ := net.SplitHostPort(local)
	listening := anywhere + "listeners: [{address: %q, allow: [127.0.0.0/8]}]"
	r := newReloading(t, fmt.Sprintf(listening, local))
	r.must(fmt.Sprintf(listening, ":"+port))
	if err := r.mail(local); err != nil {
		t.Error(err)
	}
	r.must(fmt.Sprintf(listening, local))
	if err := r.mail(local); err != nil {
		t.Error(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	two := anywhere + `listeners: [{address: %q}, {address: %q}]`
	if _, err := r.to(fmt.Sprintf(two, ":"+port, taken.Addr())); err == nil {
		t.Error("no error")
	}
	if err := r.mail(local); err != nil {
		t.Errorf("after a failure: %v", err)
	}
}

// A listener that made way for another, and could not be opened again when that failed, is opened by
// the next reload.
func TestReloadOpensWhatWasLost(t *testing.T) {
	local := process.FreeAddress(t)
	_, port, _ := net.SplitHostPort(local)
	one := fmt.Sprintf(anywhere+"listeners: [{address: %q}]", local)
	r := newReloading(t, one)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	open := r.listeners.listen
	r.listeners.listen = func(e endpoint) (net.Listener, error) {
		if e.address == local {
			return nil, errors.New("not permitted any more")
		}
		return open(e)
	}
	two := anywhere + `listeners: [{address: %q, allow: [127.0.0.0/8]}, {address: %q}]`
	_, err = r.to(fmt.Sprintf(two, ":"+port, taken.Addr()))
	if err == nil || !strings.Contains(err.Error(), "listeners[0] cannot be opened again: not permitted any more") {
		t.Errorf("error %v", err)
	}
	r.listeners.listen = open
	r.must(one)
	if err := r.mail(local); err != nil {
		t.Error(err)
	}
}

// Pages come, move and go.
func TestReloadPages(t *testing.T) {
	r := newReloading(t, oneRoute)
	if r.PagesAddr() != nil {
		t.Error("pages without an address")
	}
	for range 2 {
		at := process.FreeAddress(t)
		r.must(oneRoute + fmt.Sprintf("metrics: {address: %q}\n", at))
		if code, _ := get(t, "http://"+at+"/livez"); code != 200 {
			t.Errorf("livez: %d", code)
		}
	}
	at := r.PagesAddr().String()
	r.must(oneRoute)
	if _, err := net.Dial("tcp", at); err == nil {
		t.Error("the pages are still served")
	}
}

// Mail of a route that a reload has added is sent, and what is pending for a team that it has removed
// is held.
func TestReloadRoutes(t *testing.T) {
	r := newReloading(t, oneRoute)
	submit(t, r.Relay, "Q1", "alice@example.com", "Subject: x\r\n\r\nx\r\n")
	<-r.sent.got
	r.must(strings.NewReplacer("shop", "office", "inbox: 202", "inbox: 202, name: other").Replace(oneRoute))
	submit(t, r.Relay, "Q2", "bob@example.com", "Subject: y\r\n\r\ny\r\n")
	if e := <-r.sent.got; e.Route != "other" || e.Team != "office" {
		t.Errorf("sent by %s of %s", e.Route, e.Team)
	}
}

// The console comes and goes with a reload, and admits whom the configuration in force names.
func TestReloadConsole(t *testing.T) {
	const user = `{name: %s, password_hash: "$2y$04$abcdefghijklmnopqrstuuxz7bsiTZrx4f3Iq4Lt3YQUjd1NhOTgO", role: read}`
	r, _ := withConsole(t, "")
	reload := func(more string) {
		t.Helper()
		r.parts.Load = func() (*config.Config, error) { return parse(t, oneRoute+more), nil }
		if _, err := r.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	r.pages.run()
	defer r.pages.serving.Wait()
	defer r.pages.close()
	at := process.FreeAddress(t)
	token := strings.Repeat("0123456789abcdef", 2)
	reload(fmt.Sprintf("console: {address: %q, tokens: [{name: ci, token: %s, role: read}]}\n", at, token))
	if code := overview(t, at); code == http.StatusUnauthorized {
		t.Errorf("with its token: %d", code)
	}
	reload(fmt.Sprintf("console: {address: %q, users: ["+user+"]}\n", at, "ann"))
	if code := overview(t, at); code != http.StatusUnauthorized {
		t.Errorf("with a token that was removed: %d", code)
	}
	reload("")
	if _, err := net.Dial("tcp", at); err == nil {
		t.Error("the console is still served")
	}
}

// overview asks the console's API with the token of TestReloadConsole, and returns the status.
func overview(t *testing.T, at string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/api/v1/overview", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer 0123456789abcdef0123456789abcdef")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
