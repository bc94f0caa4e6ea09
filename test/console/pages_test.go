package console

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"heyrelay/internal/passhash"
	"heyrelay/test/process"
)

// Nobody reloads the page, and it moves.
func TestOverviewMoves(t *testing.T) {
	d := startDemo(t)
	b := open(t)
	b.visit(d.login)
	b.awaitText("h1", "Ready for mail")
	b.awaitText("#connection", "Live")
	swaks(t, d.smtp, "--to", "alice@example.com")
	b.await(`document.querySelector("#total-accepted").innerText === "1"`)
	b.await(`document.querySelector("#total-sent").innerText === "1"`)
	b.awaitText("h1", "Mail flows")
	b.clean(d.base)
}

// A message is found by what people know of it, and leads to its thread.
func TestSearchAndThread(t *testing.T) {
	d := startDemo(t)
	first := swaks(t, d.smtp, "--to", "alice@example.com", "--header", "Message-Id: <ticket-1@example.com>",
		"--header", "Subject: Printer on fire")
	swaks(t, d.smtp, "--to", "bob@example.com", "--header", "Subject: Lunch")
	d.Await(first + `.*conversation`)
	reply := swaks(t, d.smtp, "--to", "alice@example.com", "--header", "In-Reply-To: <ticket-1@example.com>",
		"--header", "Subject: Re: Printer on fire")
	d.Await(reply + `.*conversation`)
	b := open(t)
	b.visit(d.login)
	b.search("ALICE@example.com")
	b.awaitText("#list", "Printer on fire")
	if list := b.text("#list"); strings.Contains(list, "Lunch") {
		t.Errorf("a search for alice finds\n%s", list)
	}
	for _, known := range []string{"<ticket-1@example.com>", "ticket-1@example.com", first, strings.ToLower(first)} {
		b.search(known)
		if n := eval[int](b, `document.querySelectorAll("[data-row]").length`); n != 1 {
			t.Errorf("a search for %s finds %d messages, want 1", known, n)
		}
	}
	b.click("[data-row] a")
	local, convo := b.fact("local_id"), b.fact("convo_id")
	for known, want := range map[string]int{local: 1, convo: 2, "printer ON": 2} {
		b.search(known)
		if n := eval[int](b, `document.querySelectorAll("[data-row]").length`); n != want {
			t.Errorf("a search for %s finds %d messages, want %d", known, n, want)
		}
	}
	b.search("nobody@example.com")
	b.awaitText("#list", "Nothing matches")
	b.visit(d.base + "/messages/" + reply)
	b.awaitText("#requests", "In-Reply-To: ticket-1@example.com")
	b.click(".choice a[href$='view=sandbox']")
	for _, side := range []string{
		"Received by SMTP", "In-Reply-To: <ticket-1@example.com>", "Received by the sandbox", `"convo_id": `,
	} {
		b.awaitText(".pair", side)
	}
	b.click("#requests a[href^='/conversations/']")
	b.awaitText("#thread", "2 messages")
	b.awaitText("#thread", "<ticket-1@example.com>")
	b.clean(d.base)
}

// fact is what the page has beside a name.
func (b *tab) fact(name string) string {
	b.Helper()
	return eval[string](b, `[...document.querySelectorAll("dt")]
		.find(e => e.innerText === "`+name+`").nextElementSibling.innerText`)
}

// search types a text into the search field and waits for the list.
func (b *tab) search(text string) {
	b.Helper()
	b.do(chromedp.SetValue(chromedp.CSS("#find"), text), chromedp.Focus(chromedp.CSS("#find")))
	if _, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent(kb.Enter)); err != nil {
		b.Fatal(err)
	}
}

func TestFailedIsRetried(t *testing.T) {
	d := startDemo(t)
	id := swaks(t, d.smtp, "--to", "permerror+1@example.com")
	b := open(t)
	b.visit(d.login)
	b.visit(d.base + "/messages/" + id)
	b.awaitText("#requests .state", "failed")
	b.awaitText("#requests", "HTTP 400")
	b.click("#verbs a")
	b.awaitText("h1", "Retry 1 request?")
	b.click(".confirm button")
	b.awaitText(".notice", "1 request queued again")
	b.awaitText("#requests .state", "sent")
	b.clean(d.base)
}

// A selection of the list is kept back, found again, and dropped.
func TestSelection(t *testing.T) {
	d := startDemo(t)
	for range 3 {
		swaks(t, d.smtp, "--to", "temperror@example.com")
	}
	b := open(t)
	b.visit(d.login)
	b.visit(d.base + "/messages?q=temperror%40example.com")
	b.await(`document.querySelectorAll("[data-row] .state.deferred").length === 3`)
	b.press("[data-row] input")
	b.click("button[formaction='/actions/hold']")
	b.awaitText("h1", "Hold 1 request?")
	b.do(chromedp.SetValue(chromedp.CSS("input[name=reason]"), "ask Carol"))
	b.click(".confirm button")
	b.awaitText("#list", "ask Carol")
	b.visit(d.base + "/messages?state=waiting")
	b.click(".all a[href^='/actions/drop']")
	b.awaitText("h1", "Drop 3 requests?")
	b.click(".confirm button")
	b.awaitText(".notice", "3 requests dropped")
	b.clean(d.base)
}

// While mail comes, the focus stays where it is, what is selected stays in the list, and a page that nobody sees
// holds no connection.
func TestListStaysUsable(t *testing.T) {
	d := startDemo(t)
	id := swaks(t, d.smtp, "--to", "alice@example.com")
	b := open(t)
	b.visit(d.login)
	b.visit(d.base + "/messages")
	b.awaitText("#connection", "Live")
	count := `document.querySelectorAll("[data-row]").length`
	b.await(`(document.querySelector("[data-row] input").focus(), true)`)
	swaks(t, d.smtp, "--to", "alice@example.com")
	b.await(count + " === 2")
	b.await(`document.activeElement.value === "` + id + `"`)

	b.press("[data-row] input")
	swaks(t, d.smtp, "--to", "alice@example.com")
	b.await(count + ` === 3 || document.querySelector("#connection").innerText.includes("while messages are selected")`)
	if n := eval[int](b, count); n != 2 {
		t.Fatalf("the list moves to %d messages under a selection", n)
	}
	b.press("[data-row] input")
	swaks(t, d.smtp, "--to", "alice@example.com")
	b.await(count + " === 4")
	b.awaitText("#connection", "Live")

	const seen = `(Object.defineProperty(document, "hidden", {value: %t, configurable: true}),
		document.dispatchEvent(new Event("visibilitychange")))`
	b.await(fmt.Sprintf(seen, true))
	b.awaitText("#connection", "Paused")
	swaks(t, d.smtp, "--to", "alice@example.com")
	b.await(fmt.Sprintf(seen, false))
	b.await(count + " === 5")
	b.awaitText("#connection", "Live")
	b.clean(d.base)
}

// All can be reached with the keyboard.
func TestKeyboard(t *testing.T) {
	d := startDemo(t)
	swaks(t, d.smtp, "--to", "alice@example.com", "--header", "Subject: First")
	swaks(t, d.smtp, "--to", "alice@example.com", "--header", "Subject: Second")
	b := open(t)
	b.visit(d.login)
	press := func(keys string) { b.do(chromedp.KeyEvent(keys)) }
	press(kb.Tab)
	b.await(`document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().top >= 0`)
	press("gm")
	b.awaitText("h1", "Messages")
	b.awaitText("#connection", "Live") // scripts run
	press("jj")
	b.await(`document.activeElement.innerText === "First"`)
	press("x")
	b.await(`document.querySelector("tr.current input").checked`)
	press("k")
	b.await(`document.activeElement.innerText === "Second"`)
	if style := eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`); style == "none" {
		t.Error("nobody sees where the focus is")
	}
	press(kb.Enter)
	b.awaitText("h1", "Second")
	b.awaitText("#connection", "Live")
	press("/")
	b.await(`document.activeElement.id === "find"`)
	press("go")
	b.await(`document.activeElement.value.endsWith("go")`) // it is typed, and leads nowhere
	b.clean(d.base)
}

// Without JavaScript, the pages work and stand still.
func TestWithoutJavaScript(t *testing.T) {
	d := startDemo(t)
	id := swaks(t, d.smtp, "--to", "permerror+1@example.com")
	d.Await(id + ".*400")
	b := open(t)
	b.withoutScripts()
	b.visit(d.login)
	b.visit(d.base + "/messages/" + id)
	b.click("#verbs a")
	b.click(".confirm button")
	b.click("nav a[href='/messages']")
	b.click("[data-row] a")
	b.do(chromedp.WaitVisible(chromedp.CSS("#requests .attempts")))
}

const usersConfig = `
console:
  address: %q
  users:
    - {name: ann, role: operate, password_hash: %q}
    - {name: bob, password_hash: %q}
`

func TestLoginAndRoles(t *testing.T) {
	r, base := startServe(t)
	id := swaks(t, r.SMTP, "--to", "permerror@example.com")
	r.Serve.Await(`msg=failed`)
	b := open(t)
	if status := b.visit(base + "/messages/" + id); status != 200 || !strings.Contains(b.text("body"), "Password") {
		t.Fatalf("without a login, status %d and\n%s", status, b.text("body"))
	}
	b.logIn("bob", "wrong")
	b.awaitText("[role=alert]", "wrong")
	b.logIn("bob", "bob's password")
	b.awaitText("#requests .state", "failed") // where he wanted to go
	if verbs := b.text("#verbs"); verbs != "" {
		t.Errorf("who may only read is offered %q", verbs)
	}
	if status := b.post("/actions/retry", "id="+id+"&csrf_token="+b.formToken()); status != http.StatusForbidden {
		t.Errorf("an action of who may only read: status %d", status)
	}
	b.click(".who button")
	b.logIn("ann", "ann's password")
	if status := b.post("/actions/retry", "id="+id); status != http.StatusForbidden {
		t.Errorf("an action without the form's token: status %d", status)
	}
	if status := b.post("/actions/retry", "id="+id+"&csrf_token="+b.formToken()); status != http.StatusOK {
		t.Errorf("an action with all that it needs: status %d", status)
	}
	b.awaitText("#connection", "Live")
	if status := b.post("/logout", "csrf_token="+b.formToken()); status != http.StatusOK {
		t.Errorf("a logout: status %d", status)
	}
	swaks(t, r.SMTP, "--to", "alice@example.com")
	b.await(`document.querySelector("input[name=password]") !== null`) // a page without a login does not stand still
	request, err := http.NewRequest(http.MethodGet, base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "evil.example"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a foreign Host: status %d", response.StatusCode)
	}
	b.clean(base)
}

// logIn fills in the form of the login.
func (b *tab) logIn(name, password string) {
	b.Helper()
	b.do(chromedp.SetValue(chromedp.CSS("input[name=name]"), name),
		chromedp.SetValue(chromedp.CSS("input[name=password]"), password))
	b.click("form button")
}

// post sends a form by script, as a page of our own could, and returns the status.
func (b *tab) post(path, form string) int {
	b.Helper()
	return eval[int](b, `fetch("`+path+`", {method: "POST", body: new URLSearchParams("`+form+`")}).then(r => r.status)`)
}

func (b *tab) formToken() string {
	b.Helper()
	return eval[string](b, `document.querySelector("input[name=csrf_token]").value`)
}

// startServe runs a relay with people who log in: ann may operate, bob may read.
func startServe(t *testing.T) (*process.Relay, string) {
	t.Helper()
	address := process.FreeAddress(t)
	return process.StartRelay(t, build(t), usersYAML(t, address)), "http://" + address
}

// usersYAML is the configuration of who logs in.
func usersYAML(t *testing.T, address string) string {
	t.Helper()
	var hashes [2]string
	for i, password := range []string{"ann's password", "bob's password"} {
		hash, err := passhash.New(password, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		hashes[i] = hash
	}
	return fmt.Sprintf(usersConfig, address, hashes[0], hashes[1])
}

func TestMain(m *testing.M) {
	code := m.Run()
	if stopBrowser != nil {
		stopBrowser()
	}
	if binary.path != "" {
		os.RemoveAll(filepath.Dir(binary.path))
	}
	os.Exit(code)
}
