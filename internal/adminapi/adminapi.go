// Package adminapi is the admin API: what the console shows and does, as JSON for programs.
//
// openapi.json describes it; the server serves it as /api/v1/openapi.json. Errors are problem
// documents (RFC 9457).
package adminapi

import (
	"net/http"

	"heyrelay/internal/problem"
	"heyrelay/internal/spool"
)

// Options are what the API shows and changes. All are required.
type Options struct {
	Operator spool.Operator // reads the spool, and changes it as "heyrelay queue" does
}

// New returns the handler of the paths below /api/.
func New(Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		problem.Write(w, problem.Problem{
			Status: http.StatusNotFound,
			Detail: "the admin API has no such path",
			Remedy: "see /api/v1/openapi.json",
		})
	})
	return mux
}
