package console

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"heyrelay/test/process"
)

// patience is how long a page may take to show what a test waits for.
const patience = 30 * time.Second

// browser is one Chromium for all tests, and binary one heyrelay.
var (
	browser = sync.OnceValues(startBrowser)
	binary  struct {
		sync.Once
		path string
	}
)

// stopBrowser ends the browser; it is nil while none runs.
var stopBrowser func()

func startBrowser() (context.Context, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"),
		chromedp.Flag("hide-scrollbars", true),
		// The frame of a message stays in the process of its page, where a test can look at it.
		chromedp.Flag("disable-features", "Translate,IsolateSandboxedIframes"),
	)
	if os.Getuid() == 0 { // a container: Chromium's own sandbox needs another user
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ = chromedp.NewContext(ctx)
	stopBrowser = stop
	return ctx, chromedp.Do(ctx)
}

// tab is a page of the browser, with cookies of its own, and what happened in it.
type tab struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex
	requests []string // addresses
	dialogs  []string // messages
	problems []string // that the page wrote to the console of the browser
}

// open opens a tab.
func open(t testing.TB) *tab {
	t.Helper()
	process.Need(t, "chromium")
	parent, err := browser()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	ctx, stop := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	b := &tab{TB: t, ctx: ctx}
	err = chromedp.Listen(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			b.requests = append(b.requests, e.Request.URL)
		case *page.EventJavascriptDialogOpening:
			b.dialogs = append(b.dialogs, e.Message)
		case *runtime.EventExceptionThrown:
			b.problems = append(b.problems, e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			// A status of 400 and more is no problem of the page.
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
				b.problems = append(b.problems, e.Entry.Text)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// withoutScripts has the pages run no JavaScript.
func (b *tab) withoutScripts() {
	b.Helper()
	off := emulation.SetScriptExecutionDisabledParams{Value: true}
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, off)
	if err != nil {
		b.Fatal(err)
	}
}

// clean fails the test if a page asked for something elsewhere than below base, opened a dialog, or
// complained.
func (b *tab) clean(base string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, address := range b.requests {
		if !strings.HasPrefix(address, base+"/") && !strings.HasPrefix(address, "data:") {
			b.Errorf("the page asked for %s", address)
		}
	}
	if len(b.dialogs)+len(b.problems) > 0 {
		b.Errorf("dialogs: %q; complaints: %q", b.dialogs, b.problems)
	}
}

// visit opens an address and returns the status of the response.
func (b *tab) visit(address string) int64 {
	b.Helper()
	response, err := chromedp.Run(b.ctx, chromedp.NavigateResponse(address))
	if err != nil {
		b.Fatalf("%s: %v", address, err)
	}
	return response.Status
}

// eval evaluates an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// text is what an element shows, "" if there is none.
func (b *tab) text(selector string) string {
	b.Helper()
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector))
}

// await waits until an expression is true in the page, or in the one that comes after it.
func (b *tab) await(expression string) {
	b.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		if is && err == nil { // a page that is just going has an error
			return
		}
		select {
		case <-tick.C:
		case <-late:
			b.Fatalf("%s never becomes true (%v)\n%s", expression, err, b.text("main"))
		}
	}
}

// awaitText waits until an element contains a text.
func (b *tab) awaitText(selector, want string) {
	b.Helper()
	b.await(fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? "").includes(%q)`, selector, want))
}

// click clicks an element, and waits for the page that it leads to.
func (b *tab) click(selector string) {
	b.Helper()
	click := chromedp.Func(func(context.Context, *chromedp.Target) error {
		b.press(selector)
		return nil
	})
	if _, err := chromedp.RunResponse(b.ctx, click); err != nil {
		b.Fatalf("click %s: %v", selector, err)
	}
}

// press clicks an element that can be seen. It is found and clicked at one moment: a page that moves
// may replace it.
func (b *tab) press(selector string) {
	b.Helper()
	b.await(fmt.Sprintf(`(e => e && e.checkVisibility() && (e.click(), true))(document.querySelector(%q)) || false`,
		selector))
}

// colours sets the scheme that the page prefers: light or dark.
func (b *tab) colours(scheme string) {
	b.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		b.Fatal(err)
	}
}

// demo is a running demo.
type demo struct {
	*process.Process
	login string // address that logs in
	base  string // of the console
	smtp  string
}

// build makes the heyrelay of all tests.
func build(t testing.TB) string {
	t.Helper()
	binary.Do(func() {
		built := process.Build(t) // goes with the test
		dir, err := os.MkdirTemp("", "heyrelay-console-")
		if err != nil {
			t.Fatal(err)
		}
		binary.path = filepath.Join(dir, "heyrelay")
		if err := os.Link(built, binary.path); err != nil {
			t.Fatal(err)
		}
	})
	return binary.path
}

// startDemo runs a demo.
func startDemo(t testing.TB) *demo {
	t.Helper()
	p := process.Start(t, build(t), "demo", "--dir", t.TempDir())
	d := &demo{Process: p, login: p.Await(`(http://\S+/login\?token=\S+)`), smtp: p.Await(`SMTP +(\S+)`)}
	u, err := url.Parse(d.login)
	if err != nil {
		t.Fatal(err)
	}
	d.base = "http://" + u.Host
	return d
}

// swaks sends a message by SMTP and returns its queue id.
func swaks(t testing.TB, smtp string, args ...string) string {
	t.Helper()
	out, err := process.Swaks(t, smtp, args...)
	if err != nil {
		t.Fatalf("swaks: %v\n%s", err, out)
	}
	_, after, found := strings.Cut(out, "queued as ")
	if !found {
		t.Fatalf("swaks got no queue id:\n%s", out)
	}
	return strings.Fields(after)[0]
}
