package strictyaml

import (
	"slices"
	"testing"
)

func TestDifferences(t *testing.T) {
	type inner struct {
		Text string `yaml:"text"`
		Key  Secret `yaml:"key"`
	}
	type all struct {
		Number int              `yaml:"number"`
		One    inner            `yaml:"one"`
		Words  []string         `yaml:"words"`
		List   []inner          `yaml:"list"`
		Named  map[string]inner `yaml:"named"`
		hidden int              // not a key
	}
	secret := func(text string) Secret { return Secret{text: &text} }
	a := all{
		Words: []string{"a"},
		List:  []inner{{Key: secret("k")}, {Text: "x"}},
		Named: map[string]inner{"both": {Text: "x"}, "gone": {}},
	}
	b := all{
		Number: 1,
		One:    inner{Text: "y"},
		Words:  []string{"b"},
		List:   []inner{{Key: secret("l")}, {Text: "x"}},
		Named:  map[string]inner{"both": {Text: "x", Key: secret("n")}, "new": {}},
		hidden: 1,
	}
	want := []string{"number", "one.text", "words", "list[0].key", "named.both.key", "named.gone", "named.new"}
	if got := Differences(&a, &b); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	same := a
	same.List = []inner{{Key: secret("k")}, {Text: "x"}} // another pointer to the same text
	if got := Differences(&a, &same); got != nil {
		t.Errorf("equal structs differ in %q", got)
	}
	b = a
	b.List = b.List[:1]
	if got := Differences(&a, &b); !slices.Equal(got, []string{"list"}) {
		t.Errorf("after a change of length %q", got)
	}
}
