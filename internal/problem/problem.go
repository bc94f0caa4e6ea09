// Package problem writes errors of HTTP as problem documents (RFC 9457).
//
// A Problem says what was wrong, in which field, and what to do. It never contains an inner
// error: those are for the log.
package problem

import (
	"encoding/json"
	"net/http"
)

// Type is the media type of a problem document (RFC 9457, section 3).
const Type = "application/problem+json"

// Problem is a problem document. Its "type" is always absent, which means about:blank: the title
// is that of the status.
type Problem struct {
	Status int    `json:"status"`           // of HTTP
	Title  string `json:"title"`            // the name of the status
	Detail string `json:"detail"`           // what was wrong, for people
	Field  string `json:"field,omitempty"`  // the parameter or header field that was wrong
	Remedy string `json:"remedy,omitempty"` // what to do
}

// Write answers with p. The title follows from the status.
func Write(w http.ResponseWriter, p Problem) {
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", Type)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may have gone
}
