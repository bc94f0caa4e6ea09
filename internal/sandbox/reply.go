package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// reply is a response before it is written.
type reply struct {
	status int
	header http.Header
	body   []byte
	slow   bool    // comes after Options.Slow
	huge   bool    // has Options.Huge bytes
	spread float64 // share of Options.Spread that it takes, from 0 to 1
	ending ending
}

// ending is how the connection ends.
type ending int

const (
	whole   ending = iota // after the response
	half                  // in the middle of the response
	cut                   // without a response
	refused               // there is no connection
	open                  // after a 101, when the client closes it
)

// jsonReply is a response in JSON.
func jsonReply(status int, v any) reply {
	return reply{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: encode(v)}
}

// htmlReply is a response that does not come from the API.
func htmlReply(status int) reply {
	page := "<!DOCTYPE html>\n<title>" + http.StatusText(status) + "</title>\n<p>This is not the API.</p>\n"
	return reply{status: status, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, body: []byte(page)}
}

// errorReply is an error response, with the names that the API uses.
func errorReply(status int, message string) reply {
	name := http.StatusText(status)
	switch status {
	case http.StatusBadRequest:
		name = "bad_data"
	case http.StatusForbidden:
		name = "Denied"
	case http.StatusTooManyRequests:
		name = "Rate limit exceeded"
	case http.StatusInternalServerError:
		name = "Server error"
	}
	return jsonReply(status, map[string]any{"error": name, "message": message})
}

// encode returns v as JSON with a line end. It cannot fail: v is made of maps,
// strings and numbers.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // people read it
	if err := enc.Encode(v); err != nil {
		panic("sandbox: " + err.Error())
	}
	return b.Bytes()
}
