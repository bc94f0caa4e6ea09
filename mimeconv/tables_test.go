package mimeconv

import (
	"maps"
	"slices"
	"testing"
	"time"
)

func TestAddressMembers(t *testing.T) {
	for list, want := range map[string][]string{
		``:                            nil,
		`,;,`:                         nil,
		`<>`:                          nil,
		`a@b <>`:                      {"a@b"},
		`<<a@b>>`:                     {"a@b"},
		`a@b c@d`:                     {"a@b", "c@d"},
		`Bob a@b`:                     {"Bob <a@b>"},
		`"Bob B." a@b`:                {"Bob B. <a@b>"},
		`"b \" c"@x d@e`:              {`"b \" c"@x`, "d@e"},
		`<a@b, Bob <c@d>`:             {"a@b", "Bob <c@d>"},
		`Doe, John, Jr. <a@b>`:        {"Doe, John, Jr. <a@b>"},
		`root, "Doe, J" <a@b>, admin`: {"root", "Doe, J <a@b>", "admin"},
		`"Bob" [SMTP:b@x]`:            {"Bob <b@x>"},
		`Bob [x <a@b>`:                {"Bob [x <a@b>"},
		`Bob (x <a@b>`:                {"Bob (x <a@b>"},
		`Bob <mailto:a@b?subject=x>`:  {"Bob <a@b>"},
		`<@x,@y:a@b>`:                 {"a@b"},
		`"a@b"`:                       {"a@b"},
		`Undisclosed recipients`:      nil,
		`"Undisclosed"`:               nil,
		`=?utf-8?q?Bob_=3Ca=40b=3E?=`: {"Bob <a@b>"},
		`Bob < a@b >, <c @d>`:         {"Bob <a@b>", "c@d"},
		`Bob <"x y"@z>`:               {`Bob <"x y"@z>`},
		`A: a@b; B: c@d;, e@f`:        {"a@b", "c@d", "e@f"},
		`John @ Work <a@b>`:           {"John @ Work <a@b>"},
		`=?utf-8?b?w4Q=?= =?utf-8?b?w5Y=?= <a@b>`: {"ÄÖ <a@b>"},
		`ünïcode@exämple.com`:                     {"ünïcode@exämple.com"},
	} {
		b := block{guesses: new(guesses)}
		if got := formatted(b.addresses(list)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
	}
}

func TestParseMedia(t *testing.T) {
	for field, want := range map[string]struct {
		kind   string
		params map[string]string
	}{
		`text/plain`:                                {"text/plain", nil},
		`Text/HTML; Charset="UTF-8"`:                {"text/html", map[string]string{"charset": "UTF-8"}},
		`text/plain charset=utf-8`:                  {"text/plain", map[string]string{"charset": "utf-8"}},
		`text/plain; charset=utf-8; charset=x`:      {"text/plain", map[string]string{"charset": "utf-8"}},
		`multipart/mixed; boundary=a b; x`:          {"multipart/mixed", map[string]string{"boundary": "a b"}},
		`multipart/mixed; boundary="a;\"b"; x y=z;`: {"multipart/mixed", map[string]string{"boundary": `a;"b`}},
		`text/plain; name="open; charset=utf-8`: {
			"text/plain",
			map[string]string{"name": "open", "charset": "utf-8"},
		},
		`charset=utf-8`:                             {"", map[string]string{"charset": "utf-8"}},
		`attachment; filename=a b.pdf`:              {"attachment", map[string]string{"filename": "a b.pdf"}},
		`attachment; filename*=utf-8''%C3%A4.pdf`:   {"attachment", map[string]string{"filename": "ä.pdf"}},
		`a/b; n*0="x"; n*1="y"`:                     {"a/b", map[string]string{"n": "xy"}},
		`a/b; n*=iso-8859-1'de'%E4.pdf; n=a.pdf`:    {"a/b", map[string]string{"n": "ä.pdf"}},
		`a/b; n*0*=koi8-r''%C1%; n*1*=%C2; n*2="%"`: {"a/b", map[string]string{"n": "а%б%"}},
		`a/b; n*0=a; n*2=c; n*x=y; *=z`:             {"a/b", map[string]string{"n": "a", "*": "z"}},
		`foo bar baz`:                               {"foo", nil},
		`;`:                                         {"", nil},
		``:                                          {"", nil},
	} {
		kind, params := parseMedia(field)
		if kind != want.kind || !maps.Equal(params, want.params) {
			t.Errorf("%s: %q, %q", field, kind, params)
		}
	}
}

func TestParseDate(t *testing.T) {
	for field, want := range map[string]string{
		"Tue, 3 Nov 2026 10:00:00 +0100":        "2026-11-03T10:00:00+01:00",
		"Tue, 03 Nov 2026 10:00:00 +0100 (CET)": "2026-11-03T10:00:00+01:00",
		"3 Nov 2026 10:00 GMT":                  "2026-11-03T10:00:00Z",
		"2026-11-03T10:00:00Z":                  "2026-11-03T10:00:00Z",
		"Tue Nov  3 10:00:00 2026":              "2026-11-03T10:00:00Z",
		"yesterday":                             "0001-01-01T00:00:00Z",
	} {
		if got := parseDate(field).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
}

func TestSniffImage(t *testing.T) {
	for data, want := range map[string]string{
		"\x89PNG\r\n\x1a\nx": "image/png",
		"\xff\xd8\xffx":      "image/jpeg",
		"GIF89a":             "image/gif",
		"<svg>":              "",
	} {
		if got := sniffImage([]byte(data)); got != want {
			t.Errorf("%q: %q", data, got)
		}
	}
}
