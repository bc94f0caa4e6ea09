package htmltext

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"heyrelay/mimeconv/internal/fuzztest"
)

func TestRender(t *testing.T) {
	for doc, want := range map[string]string{
		"a</br>b</p>c":                   "a\nb\n\nc",
		"<p>a<p>b<div>c":                 "a\n\nb\n\nc",
		"a <b> b</b>  c":                 "a b c",
		"a&nbsp; b<i>&nbsp;</i>c":        "a  b c",
		"x<br><br><br><br>y":             "x\n\ny",
		"<td>a<td>b":                     "a\nb",
		"<table><tr><td>a<td>b<tr><td>c": "a | b\nc",
		"<table><tr><td><br>a<br></td><td>b<br>c</td></tr></table>": "a\nb\nc",
		"<ol start=9><li>a<li>b</ol>":                               "9. a\n10. b",
		"<li>a":                                                     "- a",
		"<div>a</div></div><div>b":                                  "a\nb",
		"<table><tr><td>a</div>b</table>c":                          "ab\n\nc",
		"<b><i>a</b>b":                                              "ab",
		"<p/>a<p/>b":                                                "a\n\nb",
		"<style/>p{}</style>a":                                      "a",
		"a<!-- b -->c<![if x]>d<![endif]>":                          "acd",
		"a<textarea>\n b &amp;\n<i>c</textarea>d":                   "a\n b &\n<i>c\nd",
		"<p>a<textarea>b<p>c":                                       "a\nb\n\nc",
		"<svg><text>a</text></svg>b":                                "b",
		"<svg>a":                                                    "a",
		"Bob <b@x.example> at <http://x.example/y>":                 "Bob <b@x.example> at <http://x.example/y>",
		"<p hidden>a <b@x.example></p>b":                            "b",

		"<a href=x:><table><tr><td><a href=x:>a</table></a>b": "a <x:>\n\nb",

		"<a href=x:>": "<x:>",

		"<a href=x>a</a> <a href=''></a><a href=/b#c?d=e:f>b</a>":   "a b",
		"<a href=//a.example/b>c</a> <a href=www.d.example>e</a>":   "c <//a.example/b> e <www.d.example>",
		"<a href=http://a/>b</a>c<a href=http://d/>e</a>. f":        "b <http://a/> ce <http://d/>. f",
		"<a href=http://a/>b</a><a href=http://d/>e</a>(f)":         "b <http://a/> e <http://d/> (f)",
		"<a href='MAILTO:a@b?subject=c'>d</a>":                      "d <a@b>",
		"<a href='mailto:?subject=c'>d</a>":                         "d",
		"a<a href=http://h/b><img></a><a href=http://h/c><img></a>": "a\n<h>",
		"<a href=http://h/b><img></a><p><a href=http://h/b>c</a>":   "c <http://h/b>",
		"<a href=http://h/b><img></a>c<a href=http://h/d><img></a>": "<h>\nc\n<h>",
		"<table><tr><td><a href=http://h/><img></a><td>b</table>c":  "<h> | b\n\nc",
		"<ul><li><a href=http://h/><img></a><li>b</ul>":             "- <h>\n- b",
		"a<hr><p>&nbsp;</p><hr><hr>b<hr>":                           "a\n----------\n\nb\n----------",
		"<a href=http://x.example/y>see <b>this</b></a> and <a href=' http://x.example/y '>that</a>": "see this " +
			"<http://x.example/y> and that <http://x.example/y>",
		"<pre>a\n\n\nb</pre>c":                    "a\n\n\nb\n\nc",
		"<h1>A</h1>b<hr>c":                        "A\n\nb\n----------\nc",
		"soft\u00adhyphen":                        "softhyphen",
		"<blockquote>a</blockquote><blockquote>b": "> a\n\n> b",
		"&lt;b&gt; &amp;amp;":                     "<b> &amp;",
	} {
		if got := Render(doc, 1<<20); got != want {
			t.Errorf("%s\n got %q\nwant %q", doc, got, want)
		}
	}
}

// TestTagSoup renders documents of tags in random order: no panic, and no visible word is
// lost.
func TestTagSoup(t *testing.T) {
	tags := strings.Fields("<p> </p> <div> </div> <a_href=http://x.example/> <a_href=y> </a> <table> </table> " +
		"<tr> </tr> <td> </td> <th> <ul> <ol> <li> </li> </ul> </ol> <blockquote> </blockquote> <pre> </pre> " +
		"<br> <hr> <b> </b> <img_alt=i> <dl> <dt> <dd> </dl> <h1> </h1> <span> </span> <div/> <p/> &nbsp; " +
		"<!--c--> <body> </body> <html> </html> <font_style=white-space:pre>")
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var doc strings.Builder
		words := 0
		for range 1 + r.IntN(40) {
			if r.IntN(3) == 0 {
				fmt.Fprintf(&doc, "w%dw ", words)
				words++
			}
			doc.WriteString(strings.ReplaceAll(tags[r.IntN(len(tags))], "_", " "))
		}
		text := Render(doc.String(), 1<<20)
		if !utf8.ValidString(text) {
			t.Fatalf("seed %d: %q", seed, text)
		}
		for i := range words {
			if !strings.Contains(text, fmt.Sprintf("w%dw", i)) {
				t.Fatalf("seed %d: word %d of %q is missing in %q", seed, i, doc.String(), text)
			}
		}
	}
}

// Styles hide an element by what they say of it, not by what they contain.
func TestHiddenByStyle(t *testing.T) {
	for style, isHidden := range map[string]bool{
		"display:none":                           true,
		"DISPLAY : none !important":              true,
		"color:red;visibility:hidden":            true,
		"max-height:0;overflow:hidden":           true,
		"max-height:0.0px ; overflow : hidden":   true,
		"display:none;display:block":             false,
		"display:none!important;display:block":   true,
		"display:none;display:-webkit-box":       true,
		"display:none;display:":                  true,
		"-webkit-backface-visibility:hidden":     false,
		"background:url(display:none)":           false,
		"max-height:0.5em;overflow:hidden":       false,
		"max-height:03px;overflow:hidden":        false,
		"max-height:0;overflow-x:hidden":         false,
		"mso-display:none;max-height:none":       false,
		"line-height:0;overflow:hidden;height:5": false,
	} {
		doc := "<p style='" + style + "'>a</p>b"
		if got := Render(doc, 1000) == "b"; got != isHidden {
			t.Errorf("%s: hidden is %v", style, got)
		}
	}
}

// Line ends stay, whatever a style says to single browsers, too.
func TestPreByStyle(t *testing.T) {
	for style, isPre := range map[string]bool{
		"white-space:pre-wrap": true,
		"white-space: pre-wrap; white-space: -moz-pre-wrap; white-space: -pre-wrap; white-space: -o-pre-wrap": true,
		"white-space: -moz-pre-wrap; white-space: PRE-LINE !important; white-space: normal":                   true,
		"white-space:pre-wrap;white-space:normal":                                                             false,
		"mso-white-space:pre": false,
	} {
		if got := Render("<div style='"+style+"'>a\nb</div>", 1000) == "a\nb"; got != isPre {
			t.Errorf("%s: line ends stay is %v", style, got)
		}
	}
}

// FuzzRender checks that any HTML gives clean lines of text.
func FuzzRender(f *testing.F) {
	fuzztest.AddKept(f)
	for _, s := range []string{
		"<p>a<ul><li>b<ol><li>c</ol></ul>", "<table><tr><td>a<td><p>b</p><tr><td><table><tr><td>c</table></table>",
		"<a href=x>a<div>b</div></a><a href=x><img alt=c></a>",
		"<a href=x>a<table><tr><td><a href=x>b<td><a href=y>c</table></a><a href=x>",
		"<ul><li><table><tr><td><ul><li>a<td><blockquote>b</table></ul><td>c<dl><dt>d<dd>e",
		"<pre>\n a\n\n b</pre><blockquote>c<blockquote>d",
		"<div style=display:none>a<p>b</div>c<script>d</script><style>", "&nbsp;<div>&nbsp;</div>a&#0;&#x80;",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		if !utf8.ValidString(doc) || strings.ContainsFunc(doc, isControl) {
			return
		}
		var text string
		fuzztest.Bounded(t, len(doc), func() { text = Render(doc, 1<<20) })
		if !utf8.ValidString(text) || text != Render(doc, 1<<20) {
			t.Errorf("Render(%q) = %q", doc, text)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasSuffix(line, " ") {
				t.Errorf("trailing space in %q", text)
			}
		}
		if HasContent(doc) && IsBlank(text) && !strings.ContainsAny(doc, "<&") {
			t.Errorf("text was lost: %q", doc)
		}
	})
}

// isControl reports whether r is a control character that callers remove beforehand.
func isControl(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r == 0x7f }
