// Package adminapi is the admin API: what the console shows and does, as JSON for programs.
//
// openapi.json describes it, and is served as /api/v1/openapi.json. Errors are problem documents
// (RFC 9457). An access.Guard stands before it: reading needs the role read, and each POST and
// DELETE the role operate.
package adminapi

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"heyrelay/internal/access"
	"heyrelay/internal/backend"
	"heyrelay/internal/events"
	"heyrelay/internal/problem"
	"heyrelay/internal/spool"
)

// Options are what the API shows and changes. All are required.
type Options struct {
	backend.Backend
	Routes map[string]string // the team of each route

	// Reload loads the configuration again and puts it in force. With an error, which is for
	// the operator, the previous one remains.
	Reload func() (Reloaded, error)
}

// Base is the path below which everything is.
const Base = "/api/v1"

//go:embed openapi.json
var document []byte

// server answers the requests.
type server struct{ Options }

// route is one operation of the API.
type route struct {
	method, path string // below Base
	handle       func(*server, http.ResponseWriter, *http.Request) error
}

// routes are all operations, as openapi.json describes them.
var routes = []route{
	{http.MethodGet, "/openapi.json", (*server).openapi},
	{http.MethodGet, "/overview", (*server).overview},
	{http.MethodGet, "/messages", (*server).messages},
	{http.MethodGet, "/messages/{queue_id}", (*server).message},
	{http.MethodGet, "/messages/{queue_id}/content", (*server).content},
	{http.MethodGet, "/messages/{queue_id}/raw", (*server).raw},
	{http.MethodGet, "/messages/{queue_id}/sends", (*server).sends},
	{http.MethodPost, "/messages/{queue_id}/revoke", (*server).revoke},
	{http.MethodGet, "/attachments", (*server).attachments},
	{http.MethodGet, "/conversations/{conversation}", (*server).conversation},
	{http.MethodGet, "/holds", (*server).holds},
	{http.MethodPost, "/holds", (*server).hold},
	{http.MethodDelete, "/holds", (*server).release},
	{http.MethodGet, "/events", (*server).events},
	{http.MethodPost, "/actions/{action}", (*server).act},
	{http.MethodPost, "/reload", (*server).reload},
}

// Operations returns the operations, as "GET /overview".
func Operations() []string {
	var all []string
	for _, r := range routes {
		all = append(all, r.method+" "+r.path)
	}
	return all
}

// New returns the handler of the paths below /api/.
func New(o Options) http.Handler {
	s := &server{o}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.method+" "+Base+r.path, func(w http.ResponseWriter, req *http.Request) {
			if err := r.handle(s, w, req); err != nil {
				s.fail(w, req, err)
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			s.unknown(w, r, mux)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// unknown answers where there is no operation: 405 where there is one of another method.
func (s *server) unknown(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	p := problem.Problem{
		Status: http.StatusNotFound,
		Detail: "the admin API has no such path",
		Remedy: "see " + Base + "/openapi.json",
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if allowed != nil {
		p.Status = http.StatusMethodNotAllowed
		p.Detail = "the path does not support " + r.Method
		for _, method := range allowed {
			w.Header().Add("Allow", method)
		}
	}
	problem.Write(w, p)
}

// fault is an error with its problem document.
type fault struct{ problem.Problem }

// Error implements error.
func (f fault) Error() string { return f.Detail }

// invalid returns the fault of a value that cannot be used.
func invalid(field, detail, remedy string) error {
	return fault{problem.Problem{Status: http.StatusBadRequest, Field: field, Detail: detail, Remedy: remedy}}
}

// fail answers with what an error means to the client. The log has the cause of what is not the
// client's fault.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var own fault
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		problem.Write(w, own.Problem)
	case errors.Is(err, spool.ErrNotFound):
		problem.Write(w, problem.Problem{
			Status: http.StatusNotFound,
			Detail: err.Error(),
			Remedy: "check the id; retention may have removed it",
		})
	case errors.As(err, &large):
		problem.Write(w, problem.Problem{
			Status: http.StatusRequestEntityTooLarge,
			Detail: fmt.Sprintf("the body has more than %d bytes", large.Limit),
			Remedy: "name fewer messages, or use a filter",
		})
	case r.Context().Err() != nil: // nobody reads the answer
	default:
		s.Record(events.Event{
			Kind:   events.Error,
			Time:   s.Now(),
			User:   access.UserOf(r.Context()),
			Reason: "the admin API could not answer " + r.Method + " " + r.URL.Path,
			Err:    err,
		})
		problem.Write(w, problem.Problem{
			Status: http.StatusInternalServerError,
			Detail: "the request could not be answered; the log has the cause",
			Remedy: "try again; mail is not affected",
		})
	}
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // the client may have gone
	return nil
}

func (s *server) openapi(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) // the client may have gone
	return nil
}
