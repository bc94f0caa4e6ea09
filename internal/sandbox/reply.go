package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// reply is an answer in the making.
type reply struct {
	status int
	header http.Header
	body   []byte
	slow   bool    // comes after Options.Slow
	lot    float64 // how much of Options.Spread it takes, from 0 to 1
	ending ending
}

// ending is what becomes of the connection.
type ending int

const (
	whole   ending = iota // the answer is given
	half                  // it breaks off in the middle
	cut                   // there is none
	refused               // there was no connection to begin with
)

// jsonReply is an answer in JSON.
func jsonReply(status int, v any) reply {
	return reply{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: encode(v)}
}

// htmlReply is an answer that the API never gives: somebody else does.
func htmlReply(status int) reply {
	page := "<!DOCTYPE html>\n<title>" + http.StatusText(status) + "</title>\n<p>This is not the API.</p>\n"
	return reply{status: status, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, body: []byte(page)}
}

// errorReply is an answer in the API's names for its errors.
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

// encode returns v as JSON with a line end. What the sandbox encodes can be
// encoded: it is made of maps, strings and numbers.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // people read it
	if err := enc.Encode(v); err != nil {
		panic("sandbox: " + err.Error())
	}
	return b.Bytes()
}
