package threading

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/idna"
)

// TestSplit covers the rules for recipients that depend on addresses alone.
func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name         string
		rcpt, to, cc []string
		want         string
	}{
		{"R1", []string{"a@x", "b@x", "c@x"}, []string{"a@x", "b@x"}, []string{"c@x"}, "[a@x b@x]+[c@x]"},
		{"R2", []string{"a@x", "z@x"}, []string{"a@x"}, nil, "[a@x]+[] blind[z@x]"},
		{"R3", []string{"x@x", "y@x"}, nil, nil, "blind[x@x] blind[y@x]"},
		{"R4", []string{"a@x"}, []string{"list@x"}, []string{"a@x"}, "[a@x]+[]"},
		{"R5", []string{"a@x"}, []string{"a@x"}, []string{"b@x"}, "[a@x]+[]"},
		{"R6", []string{"a@dom", "A@DOM"}, []string{"a@dom"}, nil, "[a@dom]+[]"},
		{"R7", []string{"a@x"}, []string{"a@x"}, []string{"a@x"}, "[a@x]+[]"},
		{"R8", []string{"a@x", "x@x"}, []string{"a@x"}, nil, "[a@x]+[] blind[x@x]"},
		{"IDN", []string{"a@bücher.example"}, []string{"a@xn--bcher-kva.example"}, nil, "[a@bücher.example]+[]"},
		{"envelope spelling", []string{"Ann@Dom.example"}, []string{"ann@dom.example"}, nil, "[Ann@Dom.example]+[]"},
		{"nobody", nil, []string{"a@x"}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for i, a := range Split(c.rcpt, c.to, c.cc) {
				if i > 0 {
					got += " "
				}
				if a.Blind {
					got += fmt.Sprintf("blind%v", a.To)
				} else {
					got += fmt.Sprintf("%v+%v", a.To, a.Cc)
				}
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestParticipantsIgnoreRolesOrderAndCase(t *testing.T) {
	a := Split([]string{"a@x", "B@x"}, []string{"a@x"}, []string{"b@x"})[0]
	b := Split([]string{"b@X", "a@x"}, []string{"b@x", "a@x"}, nil)[0]
	c := Split([]string{"a@x"}, []string{"a@x"}, nil)[0]
	if a.Participants != b.Participants {
		t.Errorf("%q and %q differ", a.Participants, b.Participants)
	}
	if a.Participants == c.Participants {
		t.Errorf("a subset has the participants of the whole set: %q", c.Participants)
	}
}

func TestWithoutAndIntersects(t *testing.T) {
	own := func(a string) bool { return a == "own@x" }
	if got := Without([]string{"own@x", "a@x"}, own); !slices.Equal(got, []string{"a@x"}) {
		t.Errorf("Without left %v", got)
	}
	if got := Without([]string{"own@x"}, own); !slices.Equal(got, []string{"own@x"}) {
		t.Errorf("Without left no recipient: %v", got)
	}
	if !Intersects([]string{"A@x"}, []string{"a@X"}) || Intersects([]string{"a@x"}, []string{"b@x"}) {
		t.Error("Intersects is wrong")
	}
}

// A domain that is not converted to A-labels would not have changed by that, but for its case.
func TestPlainDomains(t *testing.T) {
	const octets = "aBxXnN-09_.. @!~\x00\x7f\u00e4\x80"
	random := rand.New(rand.NewPCG(1, 2))
	plain := 0
	for range 50_000 {
		name := make([]byte, random.IntN(9))
		for i := range name {
			name[i] = octets[random.IntN(len(octets))]
		}
		domain := string(name)
		if !isPlain(domain) {
			continue
		}
		plain++
		if ascii, err := idna.Lookup.ToASCII(domain); err == nil && ascii != strings.ToLower(domain) {
			t.Errorf("%q is %q in A-labels", domain, ascii)
		}
	}
	if plain < 10_000 {
		t.Errorf("%d domains are plain", plain)
	}
	for _, domain := range []string{"xn--bcher-kva.example", "XN--bcher-kva.example", "bücher.example", "\xff"} {
		if isPlain(domain) {
			t.Errorf("%q is plain", domain)
		}
	}
}

func TestCanonicalID(t *testing.T) {
	for in, want := range map[string]string{
		`"a"@X.com`:  "a@x.com",
		`a@X.COM`:    "a@x.com",
		`A@x.com`:    "A@x.com",
		`"a\"b"@X`:   `"a\"b"@x`,
		`""@X`:       `""@x`,
		`no-at-Sign`: "no-at-Sign",
		`a@b@C`:      "a@b@c",
	} {
		if got := canonicalID(in); got != want {
			t.Errorf("canonicalID(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	var refs []string
	for i := range 30 {
		refs = append(refs, fmt.Sprintf("r%d@x", i))
	}
	a := Audience{Participants: "a@x"}
	headers := ThreadHeaders{
		Own:        []string{"me@x", "r3@x"},
		InReplyTo:  []string{"p@x", "me@X"},
		References: refs,
		Subject:    "42",
	}
	lookups, own, cited := headers.Keys("shop/1", a)

	var ids []string
	for _, c := range lookups {
		ids = append(ids, c.Field+" "+c.ID)
	}
	want := []string{"In-Reply-To p@x"}
	for i := 29; i >= 0; i-- {
		if i != 3 { // its own
			want = append(want, fmt.Sprintf("References r%d@x", i))
		}
	}
	want = append(want, "Message-ID me@x", "Message-ID r3@x", "Subject 42")
	if !slices.Equal(ids, want) {
		t.Errorf("lookups:\n got %q\nwant %q", ids, want)
	}
	if len(own) != 2 || len(cited) != 1+10+10+1 {
		t.Errorf("%d own and %d cited keys, want 2 and 22", len(own), len(cited))
	}
	root := lookups[slices.Index(ids, "References r0@x")].Key
	middle := lookups[slices.Index(ids, "References r15@x")].Key
	if !slices.Contains(cited, root) || slices.Contains(cited, middle) {
		t.Error("want the root of References recorded and its middle not recorded")
	}
}

func TestTrim(t *testing.T) {
	var ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprint(i))
	}
	full := ThreadHeaders{Own: ids, InReplyTo: ids, References: ids, Subject: "42"}
	for n, want := range map[int]ThreadHeaders{
		0:   {ids[:4], ids[:2], []string{"0", "49"}, "42"},
		6:   {ids[:6], ids[:3], []string{"0", "48", "49"}, "42"},
		100: full,
	} {
		if got := full.Trim(n); !reflect.DeepEqual(got, want) {
			t.Errorf("Trim(%d) = %v, want %v", n, got, want)
		}
	}
	reply := ThreadHeaders{Own: ids[:1], InReplyTo: ids[:1], References: ids}
	got := reply.Trim(40).References
	if len(got) != 39 || got[0] != "0" || got[9] != "9" || got[10] != "21" || got[38] != "49" {
		t.Errorf("References trimmed to %v, want ten roots and the 29 nearest", got)
	}
}

func TestKeyDependsOnScopeParticipantsAndKind(t *testing.T) {
	base := key('i', "s", "id", "m")
	for _, k := range []Key{
		key('i', "t", "id", "m"),
		key('i', "s", "id", "n"),
		key('s', "s", "id", "m"),
		key('i', "si", "d", "m"),
	} {
		if k == base {
			t.Errorf("different inputs share a key")
		}
	}
}

func TestBaseSubject(t *testing.T) {
	for in, want := range map[string]string{
		"Printer on fire":                        "printer on fire",
		"Re: Printer on fire":                    "printer on fire",
		"RE[2]: AW: Fwd: [tag] Printer  on fire": "printer on fire",
		"[PATCH 1/5] net: fix":                   "net: fix",
		"Antw: WG: x (fwd)":                      "x",
		"[only]":                                 "[only]",
		"Re:":                                    "re:",
		"":                                       "",
		"Reminder: pay":                          "reminder: pay",
	} {
		if got := BaseSubject(in); got != want {
			t.Errorf("BaseSubject(%q) = %q, want %q", in, got, want)
		}
	}
}

func ExampleSplit() {
	for _, a := range Split(
		[]string{"ann@example.com", "bob@example.com", "eve@example.com"}, // RCPT TO
		[]string{"ann@example.com"},                                       // To
		[]string{"bob@example.com"},                                       // Cc
	) {
		fmt.Println(a.To, a.Cc, a.Blind)
	}
	// Output:
	// [ann@example.com] [bob@example.com] false
	// [eve@example.com] [] true
}

func ExampleThreadHeaders_Keys() {
	ann := Split([]string{"ann@example.com"}, []string{"ann@example.com"}, nil)[0]
	_, own, _ := ThreadHeaders{Own: []string{"1@app"}}.Keys("shop/202", ann)
	lookups, _, _ := ThreadHeaders{Own: []string{"2@app"}, InReplyTo: []string{"1@APP"}}.Keys("shop/202", ann)
	fmt.Println(lookups[0].Field, lookups[0].ID, lookups[0].Key == own[0])
	// Output: In-Reply-To 1@app true
}
