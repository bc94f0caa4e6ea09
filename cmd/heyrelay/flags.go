package main

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/alecthomas/kong"
)

// checkFlags returns an error for a flag that was given a value that says nothing. As a condition, it would not
// restrict: "queue drop --state $STATE", where STATE is not set, would drop everything.
func checkFlags(given []*kong.Path) error {
	for _, at := range given {
		if at.Flag == nil || saysSomething(at.Flag) {
			continue
		}
		return fmt.Errorf("--%s is empty, zero or negative: give a value, or omit it", at.Flag.Name)
	}
	return nil
}

// saysSomething reports whether a flag has a value. Zero is one only with the tag "zero", which says what it means.
func saysSomething(flag *kong.Flag) bool {
	switch v := flag.Target.Interface().(type) {
	case string:
		return v != ""
	case []string:
		return len(v) > 0 && !slices.Contains(v, "")
	case time.Duration:
		return v > 0
	}
	if flag.Target.Kind() != reflect.Int && flag.Target.Kind() != reflect.Int64 {
		return true
	}
	n := flag.Target.Int()
	return n > 0 || n == 0 && flag.Tag.Has("zero")
}
