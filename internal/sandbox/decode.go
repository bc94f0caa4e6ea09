package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// readObject reads one JSON object and nothing after it. Numbers stay as written.
// A repeated name is an error: parsers disagree on its value.
func readObject(raw []byte) (map[string]any, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := make(map[string]any)
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		name, _ := token.(string) // a name is a string, anything else an error above
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("field %s: is repeated", name)
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		fields[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("data after the JSON object")
	}
	return fields, nil
}

// checkContentType requires JSON, in UTF-8 if a charset is given, not encoded.
func checkContentType(h http.Header) error {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return fmt.Errorf("Content-Type is %q, want application/json", h.Get("Content-Type"))
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return fmt.Errorf("the charset is %q, want utf-8", charset)
	}
	if coding := h.Get("Content-Encoding"); coding != "" {
		return fmt.Errorf("Content-Encoding %q is not documented", coding)
	}
	return nil
}

// form consumes the fields of an object one by one and keeps the first error.
type form struct {
	fields map[string]any
	err    error
}

// readForm reads the body of a POST.
func readForm(c call) *form {
	if err := checkContentType(c.header); err != nil {
		return &form{err: err}
	}
	fields, err := readObject(c.Body)
	return &form{fields, err}
}

// take consumes a field. Null is not the same as absent.
func (f *form) take(name string) (value any, ok bool) {
	value, ok = f.fields[name]
	delete(f.fields, name)
	if ok && value == nil {
		f.fail(name, "is null")
	}
	return value, ok && value != nil
}

func (f *form) fail(name, why string) {
	if f.err == nil {
		f.err = fmt.Errorf("field %s: %s", name, why)
	}
}

// need requires a field.
func (f *form) need(name string) {
	if _, ok := f.fields[name]; !ok {
		f.fail(name, "is missing")
	}
}

// id consumes a positive integer, 0 if there is none.
func (f *form) id(name string) int64 {
	value, ok := f.take(name)
	if !ok {
		return 0
	}
	number, _ := value.(json.Number)
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || n < 1 {
		f.fail(name, "is not a positive integer")
	}
	return n
}

// text consumes a string, and reports whether there was one.
func (f *form) text(name string) (string, bool) {
	value, ok := f.take(name)
	if !ok {
		return "", false
	}
	s, isString := value.(string)
	if !isString {
		f.fail(name, "is not a string")
	}
	return s, true
}

// line consumes a string of one line that is not empty.
func (f *form) line(name string) string {
	s, ok := f.text(name)
	if ok && strings.TrimSpace(s) == "" {
		f.fail(name, "is empty")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		f.fail(name, "contains a line end or a control character")
	}
	return s
}

// list consumes an array of strings that is not empty.
func (f *form) list(name string) []string {
	value, ok := f.take(name)
	if !ok {
		return nil
	}
	array, isArray := value.([]any)
	if !isArray {
		f.fail(name, "is not an array")
	} else if len(array) == 0 {
		f.fail(name, "is empty")
	}
	var list []string
	for _, value := range array {
		s, isString := value.(string)
		if !isString {
			f.fail(name, "has an element that is not a string")
		}
		list = append(list, s)
	}
	return list
}

// end returns the first error; a field that was not consumed is one.
func (f *form) end() error {
	for _, name := range slices.Sorted(maps.Keys(f.fields)) {
		f.fail(name, "is not documented")
	}
	return f.err
}
