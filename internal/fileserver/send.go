package fileserver

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/events"
)

// send serves the file, or the part of it that the client wants.
func (s *Server) send(w http.ResponseWriter, d *download) (refused *refusal) {
	refused = s.o.Slots.take(d.client, s.o.Limit)
	if refused != nil {
		return refused
	}
	defer s.o.Slots.release(d.client)
	o, refused := s.open(d)
	if refused != nil {
		return refused
	}
	from := &source{Object: o}
	defer from.Close()
	image, err := shownAs(d.attachment.ContentType, from)
	if err != nil {
		return s.unavailable(d, "a file cannot be read", err)
	}
	describe(w.Header(), d.attachment, image)
	ignoreParts(d.Header)
	to := &response{ResponseWriter: w, control: http.NewResponseController(w), status: http.StatusOK}
	http.ServeContent(to, d.Request, "", d.attachment.Accepted, from)
	if from.err != nil {
		s.fault(d, "a file could not be read completely", from.err)
	}
	if d.Method == http.MethodGet && to.status < http.StatusMultipleChoices {
		s.record(d, events.Downloaded, to.status, to.sent, "")
	}
	return nil
}

// ignoreParts removes a request for several parts, which is answered with the whole file (RFC 9110,
// section 14.2). Each part would be a request to a bucket, thousands in one header field; and
// http.ServeContent reads them on a goroutine that can outlive it.
func ignoreParts(h http.Header) {
	if strings.Contains(h.Get("Range"), ",") {
		h.Del("Range")
	}
}

// patience is how long a client may take nothing of a file.
const patience = time.Minute

// response gives the client time with each piece of the file: a slow one gets it whole, and one that
// takes nothing is cut off.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	sent    int64 // octets
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(patience)) // every server has one, except that of a test
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// source remembers why an object could not be read.
type source struct {
	blob.Object
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.Object.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// shownAs returns the type of an image that browsers show without running anything; "" for any other
// file. The content must be what its type says.
func shownAs(stated string, from io.ReadSeeker) (kind string, err error) {
	kind, _, err = mime.ParseMediaType(stated)
	if err != nil || !isSafe(kind) {
		return "", nil
	}
	head := make([]byte, 512) // what DetectContentType looks at
	n, err := io.ReadFull(from, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if http.DetectContentType(head[:n]) != kind {
		return "", nil
	}
	return kind, nil
}

func isSafe(kind string) bool {
	switch kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return true
	}
	return false
}

// isActive reports whether a browser that showed a file of this type might run what is in it.
func isActive(kind string) bool {
	main, sub, _ := strings.Cut(kind, "/")
	markup := strings.HasSuffix(sub, "html") || strings.HasSuffix(sub, "xml")
	script := strings.HasSuffix(sub, "script")
	return markup || script || main == "multipart" || main == "message"
}
