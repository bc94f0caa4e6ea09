package strictyaml

import (
	"fmt"
	"reflect"
	"strings"
)

// unknown records a key that does not exist, with the one that was probably meant:
// a similar one of the same section, or the same one of another.
func (d *Document) unknown(p pair, known []field) {
	var keys []string
	for _, f := range known {
		keys = append(keys, f.key)
	}
	advice := "known keys here are " + strings.Join(keys, ", ")
	if len(keys) > fewKeys {
		advice = "see the example configuration for the keys that exist"
	}
	if key := Nearest(p.key, keys); key != "" {
		advice = "did you mean " + key + "?"
	} else if homes := homes(d.schema, "", p.key); len(homes) > 0 {
		advice = "it belongs to " + listed(homes)
	}
	d.note(p.at, fmt.Sprintf("unknown key %q", p.key), advice)
}

// fewKeys is how many keys a problem lists.
const fewKeys = 8

// homes lists the paths of all keys that are called key.
func homes(t reflect.Type, path, key string) (paths []string) {
	for _, f := range fields(t) {
		at := Join(path, f.key)
		if f.key == key {
			paths = append(paths, at)
		}
		inner := f.Type
		switch inner.Kind() {
		case reflect.Slice:
			inner, at = inner.Elem(), at+"[]"
		case reflect.Map:
			inner, at = inner.Elem(), at+".NAME"
		}
		if inner.Kind() == reflect.Struct && !isText(inner) {
			paths = append(paths, homes(inner, at, key)...)
		}
	}
	return paths
}

// Nearest returns the candidate that key was probably meant to be, "" for none.
func Nearest(key string, candidates []string) string {
	best, least := "", max(2, len(key)/3)+1
	for _, c := range candidates {
		if d := distance(key, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, replace or swap with their
// neighbour to turn a into b. Letter case and hyphens for underscores do not count;
// a missing or superfluous word at the end counts as one letter.
func distance(a, b string) int {
	a = strings.ReplaceAll(strings.ToLower(a), "-", "_")
	b = strings.ToLower(b)
	if strings.HasPrefix(a, b+"_") || strings.HasPrefix(b, a+"_") {
		return 1
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			replaced := row[j]
			if a[i] != b[j] {
				replaced++
			}
			next[j+1] = min(replaced, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// listed joins choices as people do: a, b or c.
func listed(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
