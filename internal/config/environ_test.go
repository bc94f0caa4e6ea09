package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestVariablesAreExplained compares the table of variables in docs/environment.md with
// the variables that exist: their names and keys, their order and their defaults.
func TestVariablesAreExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/environment.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained, want []string
	begin := regexp.MustCompile("(?m)^(\\| `HEYRELAY_.*?\\|.*?\\|.*?\\|) .*[a-z].* \\|$")
	for _, m := range begin.FindAllStringSubmatch(string(text), -1) {
		explained = append(explained, m[1])
	}
	for _, v := range variables() {
		want = append(want, row(t, v.Name, v.Path))
	}
	if !slices.Equal(explained, want) {
		t.Errorf("the rows of docs/environment.md begin\n%s\nbut should begin\n%s",
			strings.Join(explained, "\n"), strings.Join(want, "\n"))
	}
}

// row is how the row of a variable begins: its name, its key, and the key's default.
func row(t *testing.T, name, path string) string {
	key := strings.NewReplacer("[0]", "[]", "teams.main", "teams.*").Replace(path)
	section, _, _ := strings.Cut(path, ".")
	tag := tagAt(t, path)
	preset := ""
	if text, ok := tag.Lookup("default"); ok {
		preset = "`" + text + "`"
	} else if isRequired(tag) && isRequired(tagAt(t, section)) {
		preset = "required"
	}
	return "| `" + prefix + name + "` | `" + key + "` | " + preset + " |"
}

func isRequired(tag reflect.StructTag) bool { return tag.Get("required") != "" }

// tagAt returns the tag of the field at a path of Config.
func tagAt(t *testing.T, path string) (tag reflect.StructTag) {
	at := reflect.TypeFor[Config]()
	for step := range strings.SplitSeq(strings.ReplaceAll(path, "[0]", ""), ".") {
		if at.Kind() == reflect.Map { // the step is a name that the operator chooses
			at = at.Elem()
			continue
		}
		f := fieldOf(t, at, strings.TrimSuffix(step, "_file"), step)
		tag = f.Tag
		at = f.Type
		if at.Kind() == reflect.Slice && at.Elem().Kind() == reflect.Struct {
			at = at.Elem()
		}
	}
	return tag
}

// fieldOf returns the field of a struct whose key is one of names.
func fieldOf(t *testing.T, in reflect.Type, names ...string) reflect.StructField {
	for f := range in.Fields() {
		if slices.Contains(names, f.Tag.Get("yaml")) {
			return f
		}
	}
	t.Fatalf("%v has none of the keys %q", in, names)
	return reflect.StructField{}
}

// An administrator who is not root learns that the configuration is there.
func TestUnread(t *testing.T) {
	if got := unread(syscall.EACCES); got != "run the command as root, or as a user that may read the file" {
		t.Errorf("permission denied: %s", got)
	}
	if got := unread(syscall.ENOENT); got != "name a readable file" {
		t.Errorf("no such file: %s", got)
	}
}
