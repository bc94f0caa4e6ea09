package console

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWriteInert(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`<p class="a">Text &amp; <b>more</b></p>`, `<p class="a">Text &amp; <b>more</b></p>`},
		{`<a href="https://example.com/?a&amp;b">x</a>`, `<a title="https://example.com/?a&amp;b">x</a>`},
		{`<A HREF=javascript:alert(1) title=now>x</A>`, `<a title="now (javascript:alert(1))">x</A>`},
		{`<svg><a xlink:href="x"><set attributeName="href" to="y"/></a></svg>`, `<svg><a title="x"></a></svg>`},
		{`<base href=x><meta http-equiv=refresh content=0><link rel=preconnect href=x>y`, `y`},
		{`a<script>alert("</p>")</script>b<script></script>c`, `abc`},
		{`<iframe src=x><b>no</b></iframe>y`, `y`},
		{`<noscript><a href=x>y</a></noscript>`, `<a title="x">y</a>`},
		{`<plaintext><a href=x>y`, `<a title="x">y`},
		{`<svg><style><p><a href=x>y</style>`, `<svg><style>< p>< a href=x>y</style>`},
		{`<style>p > a { color: red }</style>`, `<style>p > a { color: red }</style>`},
		{`<!doctype html><html>x`, `<html>x`},
		{`<img src="data:image/png;base64,x">`, `<img src="data:image/png;base64,x">`},
	} {
		var b strings.Builder
		if err := writeInert(&b, c.in); err != nil || b.String() != c.want {
			t.Errorf("%s\nbecomes %s (%v)\nwant    %s", c.in, b.String(), err, c.want)
		}
	}
}

func TestFrameIsSandboxed(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("X-Frame-Options", "DENY") // of all other pages
	if err := writeFrame(w, "<p>Hello"); err != nil {
		t.Fatal(err)
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"sandbox;", "default-src 'none'", "form-action 'none'", "frame-ancestors 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "allow-") || w.Header().Get("X-Frame-Options") != "SAMEORIGIN" {
		t.Errorf("the headers are %v", w.Header())
	}
	if !strings.HasSuffix(w.Body.String(), "</style><p>Hello") {
		t.Errorf("the document is %s", w.Body.String())
	}
}

// A browser is busy for long with what is nested without end.
func TestWriteInertIsFlat(t *testing.T) {
	var b strings.Builder
	in := strings.Repeat("<div>", 1000) + "deep" + strings.Repeat("</div>", 1000) + "<div>end</div>"
	if err := writeInert(&b, in); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("<div>", maxDepth) + "deep" + strings.Repeat("</div>", maxDepth) + "<div>end</div>"
	if b.String() != want {
		t.Errorf("it becomes %s", b.String())
	}
	long := strings.Repeat("<p>x<br><li>y", 1000)
	b.Reset()
	if err := writeInert(&b, long); err != nil || b.String() != long {
		t.Errorf("what is long, not deep, becomes %d of %d bytes (%v)", b.Len(), len(long), err)
	}
}

func BenchmarkWriteInertNested(b *testing.B) {
	document := strings.Repeat("<div><a href=x>", 50_000)
	for b.Loop() {
		if err := writeInert(&strings.Builder{}, document); err != nil {
			b.Fatal(err)
		}
	}
}
