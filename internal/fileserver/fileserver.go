// Package fileserver serves attachments to anybody who has a link, and nothing else.
//
// A link proves itself: its MAC is verified before anything is looked up. What nobody signed, what
// the spool does not know and what an operator revoked get the same response. No response runs
// anything in a browser: files are downloaded, save for images that are what they claim to be.
package fileserver

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// Options are what a Server is made of. All are required.
type Options struct {
	Links *blob.Links

	// Find returns the attachment of a link, spool.ErrNotFound if it is unknown or was revoked.
	Find func(context.Context, spool.LinkHash) (spool.Attachment, error)

	// Missing records that an object of the store is gone or damaged, so that no new message shares it.
	Missing func(ctx context.Context, key string) error

	Store blob.Store
	Slots *Slots // of all servers before and after this one
	Limit Limit

	Proxy access.Proxy // in front of the server; only its Networks count
	Sink  events.Sink  // receives each download, and each that was refused
	Now   func() time.Time
}

// Server is an http.Handler. Make one with New.
type Server struct{ o Options }

// New returns a Server.
func New(o Options) *Server { return &Server{o} }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	token, isLink := strings.CutPrefix(r.URL.Path, blob.PathPrefix)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		notAllowed.write(w)
	case r.URL.Path == "/robots.txt":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("User-agent: *\nDisallow: /\n")) // the client may have gone
	case !isLink:
		notFound.write(w)
	default:
		token, _, _ = strings.Cut(token, "/") // the name behind it is for people
		s.serve(w, r, token)
	}
}

// download is a request for a file.
type download struct {
	*http.Request
	client     netip.Addr
	attachment spool.Attachment // zero before it is known
}

// serve serves the file of a token, or refuses to, and records which.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, token string) {
	d := &download{Request: r, client: s.o.Proxy.Client(r)}
	refused := s.find(d, token)
	if refused == nil {
		refused = s.send(w, d)
	}
	if refused != nil {
		refused.write(w)
		s.record(d, events.DownloadRefused, refused.status, 0, refused.reason)
	}
}

// find finds the attachment of a token.
func (s *Server) find(d *download, token string) (refused *refusal) {
	id, expires, ok := s.o.Links.Parse(token)
	if !ok {
		return notFound.because("the link is incomplete, or was not made here")
	}
	if !s.o.Now().Before(expires) {
		return expiredSince(expires)
	}
	var err error
	d.attachment, err = s.o.Find(d.Context(), id.Hash())
	switch {
	case errors.Is(err, spool.ErrNotFound):
		return notFound.because("the link was revoked, or its message was not accepted")
	case err != nil:
		return s.unavailable(d, "the spool cannot be read for a download", err)
	}
	return nil
}

// open opens the object of the attachment.
func (s *Server) open(d *download) (o blob.Object, refused *refusal) {
	o, err := s.o.Store.Open(d.Context(), d.attachment.Key)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return nil, s.missing(d, err)
	case err != nil:
		return nil, s.unavailable(d, "the blob store cannot be read", err)
	case o.Size() != d.attachment.Size:
		_ = o.Close()
		return nil, s.missing(d, errors.New("the object is not as large as the file was"))
	}
	return o, nil
}

// missing records that the store has lost a file. Links of messages to come lead to another object.
func (s *Server) missing(d *download, err error) *refusal {
	const reason = "a file is missing in the blob store; restore it from a backup"
	ctx := context.WithoutCancel(d.Context())
	s.fault(d, reason, errors.Join(err, s.o.Missing(ctx, d.attachment.Key)))
	return notFound.because(reason)
}

// unavailable records an error of ours, unless the client has gone.
func (s *Server) unavailable(d *download, reason string, err error) *refusal {
	s.fault(d, reason, err)
	return unavailable.because(reason)
}

func (s *Server) fault(d *download, reason string, err error) {
	if d.Context().Err() != nil {
		return
	}
	s.o.Sink.Record(events.Event{
		Kind:    events.Error,
		Time:    s.o.Now(),
		QueueID: d.attachment.QueueID,
		Route:   d.attachment.Route,
		Reason:  reason,
		Err:     err,
	})
}

// record records how a request ended. The link stays out of it: who has it has the file.
func (s *Server) record(d *download, kind events.Kind, status int, size int64, reason string) {
	client := ""
	if d.client.IsValid() {
		client = d.client.String()
	}
	s.o.Sink.Record(events.Event{
		Kind:    kind,
		Time:    s.o.Now(),
		QueueID: d.attachment.QueueID,
		Route:   d.attachment.Route,
		Client:  client,
		Status:  status,
		Size:    int(size),
		Reason:  reason,
	})
}
