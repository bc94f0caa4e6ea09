package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"heyrelay/internal/config"
)

// TestSchemaFile compares the schema in docs with the one that the structs give.
func TestSchemaFile(t *testing.T) {
	compare(t, "../../docs/heyrelay.schema.json", string(config.Schema()))
}

// compileSchema is what a validator makes of the schema.
func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, doc)
}

func compile(t *testing.T, doc any) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("heyrelay.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("heyrelay.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asEditor validates a document by the schema alone.
func asEditor(s *jsonschema.Schema, data []byte) error {
	var doc any
	if err := yaml.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &doc); err != nil {
		return err
	}
	return s.Validate(doc)
}

// TestSchemaAgrees has the schema accept whatever Parse accepts, and refuse what Parse
// refuses for its keys or for the form of a value.
func TestSchemaAgrees(t *testing.T) {
	schema, dir := compileSchema(t), keys(t)
	formal := regexp.MustCompile(`unknown key|has no (inbox|creator_id|id|key|name|password_hash)\b|` +
		`(are|is) (both given|given twice)|write (a whole number|true or false|a number per)|: choose [a-z]+ or |` +
		`write (keys and values|a list), |give a single value`)
	cases, _ := filepath.Glob("testdata/*.yaml")
	accepted, refused := 0, 0
	for _, path := range cases {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = loadCase(t, dir, path)
		verdict := asEditor(schema, data)
		switch {
		case err == nil:
			accepted++
			if verdict != nil {
				t.Errorf("%s is valid, but the schema refuses it: %v", path, verdict)
			}
		case formal.MatchString(err.Error()) && !strings.Contains(err.Error(), `cannot be "${`): // it sees no variables
			refused++
			if verdict == nil {
				t.Errorf("the schema accepts %s, but: %v", path, err)
			}
		}
	}
	if err := asEditor(schema, config.Example()); err != nil {
		t.Errorf("the schema refuses the example: %v", err)
	}
	if accepted < 30 || refused < 20 {
		t.Errorf("%d cases are accepted, %d refused by their form", accepted, refused)
	}
}

// TestSchemaForms holds what no case of testdata has.
func TestSchemaForms(t *testing.T) {
	schema := compileSchema(t)
	const smallest = "teams: {shop: {api_key_file: key}}\nroutes: [{inbox: 202, creator_id: 55}]\n"
	for text, valid := range map[string]bool{
		"": true,
		"delivery: {expire: 1h30m, dedupe: 0, retry_initial: \"${A}\"}": true,
		"delivery: {expire: 5}":                        false,
		"delivery: {expire: 5 d}":                      false,
		"spool: {min_free: 256MiB}":                    true,
		"spool: {min_free: 256M}":                      false,
		"spool: {url: 7}":                              true,
		"limits: {recipients: \"100\"}":                true,
		"limits: {recipients: 0}":                      false,
		"limits: {recipients: 1.5}":                    false,
		"limits: {recipients: [1]}":                    false,
		"log: {level: loud}":                           false,
		"log: {level: \"${LEVEL}\"}":                   true,
		"log:":                                         true,
		"events:":                                      true,
		"bounces:":                                     true,
		"tls: {min_version: 1.3}":                      true,
		"tls: {min_version: 1.4}":                      false,
		"listeners: [{allow: 10.0.0.0/8}]":             true,
		"listeners: {allow: 10.0.0.0/8}":               false,
		"heymarket: {allow_http: yes}":                 false,
		"events: {secret: a, secret_file: b, url: x}":  false,
		"users: [{name: redmine}]":                     false,
		"aliases: {root: {to: ops@example.com}}":       false,
		"bounce: {smarthost: \"smtp://127.0.0.1:25\"}": false,
		"bounces: {smarthosts: smtp://127.0.0.1:25}":   false,
		"hostname: [relay.example.com]":                false,
	} {
		if err := asEditor(schema, []byte(smallest+text)); (err == nil) != valid {
			t.Errorf("%s: %v, want valid: %v", text, err, valid)
		}
	}
}

// TestPagesShowKeysThatExist validates the pieces of configuration that the pages for users show.
func TestPagesShowKeysThatExist(t *testing.T) {
	var whole map[string]any
	if err := json.Unmarshal(config.Schema(), &whole); err != nil {
		t.Fatal(err)
	}
	delete(whole, "required") // they are pieces
	schema := compile(t, whole)
	shown := 0
	pages, _ := filepath.Glob("../../docs/*.md")
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```").FindAllSubmatch(text, -1) {
			piece := bytes.ReplaceAll(m[2], append([]byte("\n"), m[1]...), []byte("\n"))
			piece = bytes.TrimPrefix(piece, m[1])
			if bytes.Contains(piece, []byte("apiVersion:")) || bytes.HasPrefix(piece, []byte("scrape_configs:")) {
				continue // of Kubernetes or Prometheus
			}
			shown++
			if err := asEditor(schema, piece); err != nil {
				t.Errorf("%s: %v\n%s", page, err, piece)
			}
		}
	}
	if shown < 5 {
		t.Errorf("only %d pieces are shown", shown)
	}
}

// TestStart wants the written start to lack nothing but the secret, to be short, and
// to be valid for an editor.
func TestStart(t *testing.T) {
	text := string(config.Start("heyrelay.schema.json"))
	if !strings.HasPrefix(text, "# yaml-language-server: $schema=heyrelay.schema.json\n") {
		t.Errorf("an editor finds no schema in\n%s", text)
	}
	if lines := strings.Count(text, "\n"); lines > 40 {
		t.Errorf("%d lines are no start", lines)
	}
	if err := asEditor(compileSchema(t), []byte(text)); err != nil {
		t.Error(err)
	}
	dir := keys(t)
	start, example := parseExample(t, dir, text), parseExample(t, dir, string(config.Example()))
	if !bytes.Equal(start.Masked(), example.Masked()) {
		t.Errorf("got\n%s\nwant\n%s", start.Masked(), example.Masked())
	}
}
