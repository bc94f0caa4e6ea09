package sandbox

import (
	"bytes"
	"html/template"
	"net/http"
)

// welcome is what a person sees who opens the sandbox's address in a browser.
var welcome = template.Must(template.New("welcome").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sandbox of the API</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
</style>
<h1>Sandbox of the API</h1>
<p>This is heyrelay’s sandbox. It simulates Heymarket’s e-mail API for programs, and sends nothing.</p>
<ul>
<li><a href="/sandbox/messages">Accepted messages</a>
<li><a href="/sandbox/stats">Counters</a>
{{- with .Console}}
<li><a href="{{.}}">Console of the relay</a>
{{- end}}
</ul>
<p><code>heyrelay help sandbox</code> lists the recipients that make it fail. <code>README.md</code> has a tour.</p>
</html>
`))

// welcome responds to GET /.
func (s *Sandbox) welcome() reply {
	var b bytes.Buffer
	if err := welcome.Execute(&b, s.o); err != nil {
		panic("sandbox: " + err.Error()) // the template fits Options
	}
	return reply{
		status: http.StatusOK,
		header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		body:   b.Bytes(),
	}
}
