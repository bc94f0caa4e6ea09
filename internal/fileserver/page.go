package fileserver

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"time"
)

// refusal is a response without a file.
type refusal struct {
	status     int
	retryAfter string // seconds; "" for none

	Title, Text string // for people
	reason      string // for operators
}

var (
	// notFound is the response to every link that leads to no file, whatever the reason.
	notFound = refusal{
		status: http.StatusNotFound,
		Title:  "There is no file here",
		Text: "The link may be incomplete: copy the whole address from the message. " +
			"If it still leads here, ask the sender for the file.",
	}
	unavailable = refusal{
		status:     http.StatusServiceUnavailable,
		retryAfter: "60",
		Title:      "The file cannot be downloaded at the moment",
		Text:       "Try again in a few minutes. The link stays valid.",
	}
	busy = refusal{
		status:     http.StatusServiceUnavailable,
		retryAfter: "10",
		Title:      "Too many downloads at once",
		Text:       "Try again when other downloads have finished. The link stays valid.",
		reason:     "too many downloads at once (blobs.downloads)",
	}
	busyAddress = refusal{
		status:     http.StatusTooManyRequests,
		retryAfter: "10",
		Title:      busy.Title,
		Text:       busy.Text,
		reason:     "too many downloads from one address at once (blobs.downloads_per_address)",
	}
	notAllowed = refusal{
		status: http.StatusMethodNotAllowed,
		Title:  "Files can only be downloaded",
		Text:   "The server supports only GET and HEAD.",
	}
)

// expiredSince is the response to a link whose time is over.
func expiredSince(end time.Time) *refusal {
	return &refusal{
		status: http.StatusGone,
		Title:  "This link has expired",
		Text: "The file could be downloaded until " + end.UTC().Format("2 January 2006, 15:04 MST") + ". " +
			"If you still need it, ask the sender to send it again.",
		reason: "the link has expired",
	}
}

// because returns the refusal with a reason for operators.
func (f refusal) because(reason string) *refusal {
	f.reason = reason
	return &f
}

//go:embed style.css
var style string

// pageText has the style within it, so that a page is one request.
const pageText = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>{{.Style}}</style>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
</main>
</body>
</html>
`

var page = template.Must(template.New("page").Parse(pageText))

// pagePolicy allows the style, and nothing else.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; frame-ancestors 'none'; sandbox"
}()

// write writes the page of a refusal.
func (f refusal) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if f.retryAfter != "" {
		h.Set("Retry-After", f.retryAfter)
	}
	w.WriteHeader(f.status)
	_ = page.Execute(w, f) // the client may have gone
}

// Style is that of every page.
func (refusal) Style() template.CSS { return template.CSS(style) }
