package heymarket

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// object is a JSON object. Unlike with a struct, names are case-sensitive.
type object map[string]json.RawMessage

func parseObject(body []byte) (object, bool) {
	var o object
	return o, json.Unmarshal(body, &o) == nil && o != nil
}

// id reads a positive integer. A string of digits is not one.
func (o object) id(key string) (int64, bool) { return parseID(o[key]) }

func parseID(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil && n > 0
}

// ref reads a reference to another object: its id, or the object with its id. The
// documentation shows both.
func (o object) ref(key string) int64 {
	if n, ok := o.id(key); ok {
		return n
	}
	inner, _ := parseObject(o[key])
	n, _ := inner.id("id")
	return n
}

// text reads a string, "" if there is none.
func (o object) text(key string) string {
	var s string
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}

// display reads any value as text for people, "" if there is none.
func (o object) display(key string) string {
	raw := o[key]
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if raw[0] == '"' {
		return oneLine(o.text(key))
	}
	return oneLine(string(raw))
}

// filled returns a value as compact JSON, "" if it is empty.
func (o object) filled(key string) string {
	var b bytes.Buffer
	if json.Compact(&b, o[key]) != nil {
		return ""
	}
	switch s := b.String(); s {
	case "null", "{}", "[]", `""`:
		return ""
	default:
		return s
	}
}

// oneLine replaces each run of white space and unprintable characters by one
// space.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// clip returns the first n bytes of s, or a few less so as to end on a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
