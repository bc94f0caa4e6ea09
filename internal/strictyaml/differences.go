package strictyaml

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Differences returns the paths of the values in which two structs of the same type
// differ, in the order of the keys. a and b point to them. A list whose length has
// changed counts as one value.
func Differences(a, b any) []string {
	return differences("", reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
}

func differences(path string, a, b reflect.Value) (paths []string) {
	switch {
	case reflect.DeepEqual(a.Interface(), b.Interface()):
		return nil
	case isText(a.Type()):
	case a.Kind() == reflect.Struct:
		for _, f := range fields(a.Type()) {
			if !f.namesFile() { // a secret has two keys
				inA, inB := a.FieldByIndex(f.Index), b.FieldByIndex(f.Index)
				paths = append(paths, differences(Join(path, f.name), inA, inB)...)
			}
		}
		return paths
	case a.Kind() == reflect.Map:
		return mapDifferences(path, a, b)
	case a.Len() == b.Len() && !isText(a.Type().Elem()):
		for i := range a.Len() {
			paths = append(paths, differences(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i))...)
		}
		return paths
	}
	return []string{path}
}

func mapDifferences(path string, a, b reflect.Value) (paths []string) {
	names := map[string]bool{}
	for _, m := range []reflect.Value{a, b} {
		for _, k := range m.MapKeys() {
			names[k.String()] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		inA, inB := a.MapIndex(reflect.ValueOf(name)), b.MapIndex(reflect.ValueOf(name))
		if !inA.IsValid() || !inB.IsValid() {
			paths = append(paths, Join(path, name))
			continue
		}
		paths = append(paths, differences(Join(path, name), inA, inB)...)
	}
	return paths
}
