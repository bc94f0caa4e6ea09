package adminapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"heyrelay/internal/adminapi"
	"heyrelay/internal/events"
)

// document is openapi.json.
type document struct {
	raw   map[string]any
	Paths map[string]map[string]struct { // by path and method, in lower case
		OperationID string
		Parameters  []struct{ Name, In string }
		Responses   map[string]struct{ Content map[string]any }
	}
	compiler *jsonschema.Compiler
}

const documentName = "openapi.json"

func readDocument(t *testing.T) *document {
	t.Helper()
	text, err := os.ReadFile(documentName)
	if err != nil {
		t.Fatal(err)
	}
	d := &document{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d.raw); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(documentName, value); err != nil {
		t.Fatal(err)
	}
	return d
}

// example is a call of an operation that has a certain answer.
type example struct {
	token, method string
	path          string // as the document has it
	with          string // replaces what is in braces
	query, body   string
	status        int
}

// examples are calls for each documented status of each operation.
var examples = []example{
	{reading, "GET", "/openapi.json", "", "", "", 200},
	{reading, "GET", "/overview", "", "?minutes=5", "", 200},
	{reading, "GET", "/overview", "", "?minutes=1441", "", 400},
	{reading, "GET", "/overview", "", "?minute=5", "", 400},
	{reading, "GET", "/messages", "", "", "", 200},
	{reading, "GET", "/messages", "", "?limit=2", "", 200},
	{reading, "GET", "/messages", "", "?state=lost", "", 400},
	{reading, "GET", "/messages", "", "?subject=fire", "", 400},
	{reading, "GET", "/messages", "", "?since=yesterday", "", 400},
	{reading, "GET", "/messages", "", "?order=random", "", 400},
	{reading, "GET", "/messages", "", "?convo_id=-1", "", 400},
	{reading, "GET", "/messages", "", "?route=a&route=b", "", 400},
	{reading, "GET", "/messages", "", "?queue_id=Q9", "", 404},
	{reading, "GET", "/messages/{queue_id}", "Q1", "", "", 200},
	{reading, "GET", "/messages/{queue_id}", "Q2", "", "", 200},
	{reading, "GET", "/messages/{queue_id}", "Q5", "", "", 200},
	{reading, "GET", "/messages/{queue_id}", "Q9", "", "", 404},
	{reading, "GET", "/messages/{queue_id}/content", "Q1", "", "", 200},
	{reading, "GET", "/messages/{queue_id}/content", "Q9", "", "", 404},
	{reading, "GET", "/messages/{queue_id}/raw", "Q1", "", "", 200},
	{reading, "GET", "/messages/{queue_id}/raw", "Q9", "", "", 404},
	{reading, "GET", "/messages/{queue_id}/sends", "Q1", "", "", 200},
	{reading, "GET", "/messages/{queue_id}/sends", "Q9", "", "", 404},
	{reading, "GET", "/attachments", "", "", "", 200},
	{reading, "GET", "/attachments", "", "?limit=1&route=a", "", 200},
	{reading, "GET", "/attachments", "", "?queue_id=Q1&queue_id=Q2", "", 400},
	{reading, "GET", "/attachments", "", "?limit=0", "", 400},
	{reading, "POST", "/messages/{queue_id}/revoke", "Q1", "", "", 403},
	{operating, "POST", "/messages/{queue_id}/revoke", "Q3", "", "", 404},
	{operating, "POST", "/messages/{queue_id}/revoke", "Q1", "", "", 200},
	{reading, "GET", "/messages/{queue_id}", "Q1", "", "", 200},
	{reading, "GET", "/conversations/{conversation}", "1", "", "", 200},
	{reading, "GET", "/conversations/{conversation}", "1", "?limit=1", "", 200},
	{reading, "GET", "/conversations/{conversation}", "one", "", "", 400},
	{reading, "GET", "/conversations/{conversation}", "99", "", "", 404},
	{reading, "GET", "/holds", "", "", "", 200},
	{operating, "POST", "/holds", "", "", `{"route": "a", "reason": "why"}`, 200},
	{reading, "GET", "/overview", "", "", "", 200},
	{reading, "GET", "/messages/{queue_id}", "Q2", "", "", 200},
	{operating, "POST", "/holds", "", "", `{"route": "none"}`, 400},
	{operating, "POST", "/holds", "", "", `{"team": "none"}`, 400},
	{operating, "POST", "/holds", "", "", `{}`, 400},
	{reading, "POST", "/holds", "", "", `{"team": "shop"}`, 403},
	{operating, "POST", "/holds", "", "", `{"reason": "` + strings.Repeat("x", 1<<20) + `"}`, 413},
	{operating, "POST", "/holds", "", "", "", 415},
	{operating, "DELETE", "/holds", "", "?route=a", "", 200},
	{operating, "DELETE", "/holds", "", "?inbox=all", "", 400},
	{reading, "DELETE", "/holds", "", "?route=a", "", 403},
	{operating, "DELETE", "/holds", "", "?team=shop", "", 404},
	{operating, "POST", "/actions/{action}", "hold", "", `{"all": true, "dry_run": true}`, 200},
	{operating, "POST", "/actions/{action}", "hold", "", `{"route": "b", "expect": 2, "reason": "why"}`, 200},
	{operating, "POST", "/actions/{action}", "hold", "", `{}`, 400},
	{operating, "POST", "/actions/{action}", "hold", "", `{"all": true, "routes": "b"}`, 400},
	{operating, "POST", "/actions/{action}", "hold", "", `{"all": true, "route": "b"}`, 400},
	{operating, "POST", "/actions/{action}", "hold", "", `{"route": 5}`, 400},
	{operating, "POST", "/actions/{action}", "hold", "", `{"all": true} {}`, 400},
	{reading, "POST", "/actions/{action}", "drop", "", `{"all": true}`, 403},
	{operating, "POST", "/actions/{action}", "burn", "", `{"all": true}`, 404},
	{operating, "POST", "/actions/{action}", "drop", "", `{"all": true, "expect": 99}`, 409},
	{operating, "POST", "/actions/{action}", "drop", "", `{"reason": "` + strings.Repeat("x", 1<<20) + `"}`, 413},
	{operating, "POST", "/actions/{action}", "drop", "", "", 415},
	{operating, "POST", "/actions/{action}", "retry", "", `{"queue_ids": ["Q2"]}`, 200},
	{operating, "POST", "/actions/{action}", "release", "", `{"states": ["held"]}`, 200},
	{operating, "POST", "/actions/{action}", "drop", "", `{"queue_ids": ["Q9"]}`, 404},
	{operating, "POST", "/reload", "", "", "", 200},
	{reading, "POST", "/reload", "", "", "", 403},
}

// The document says what the handlers answer, and the handlers answer what it says: each
// operation, each status, each field.
func TestDocument(t *testing.T) {
	f := open(t)
	f.fill()
	d := readDocument(t)
	used := map[string]bool{}
	for _, e := range examples {
		f.check(d, e, used)
	}
	for path, methods := range d.Paths {
		for method := range methods { // without a token, the answer is 401 everywhere
			f.check(d, example{"", strings.ToUpper(method), path, "1", "", "", 401}, used)
		}
	}
	f.broken = true
	f.check(d, example{operating, "POST", "/reload", "", "", "", 422}, used)
	f.followed(d, used)
	for path, methods := range d.Paths {
		for method, op := range methods {
			for status := range op.Responses {
				if name := strings.ToUpper(method) + " " + path + " " + status; !used[name] {
					t.Errorf("%s is documented, and no example has it", name)
				}
			}
		}
	}
	schemas := at(d.raw, "components", "schemas")
	for name, schema := range schemas {
		properties, _ := schema.(map[string]any)["properties"].(map[string]any)
		for property := range properties {
			if name != "Action" && name != "HoldRequest" && !used[name+"."+property] {
				t.Errorf("%s.%s is documented, and no answer has it", name, property)
			}
		}
	}
}

func at(value map[string]any, path ...string) map[string]any {
	for _, key := range path {
		value, _ = value[key].(map[string]any)
	}
	return value
}

// check makes a call, and compares its answer with the document.
func (f *fixture) check(d *document, e example, used map[string]bool) {
	f.Helper()
	before, after, found := strings.Cut(e.path, "{")
	path := e.path
	if found {
		_, after, _ = strings.Cut(after, "}")
		path = before + e.with + after
	}
	resp := f.request(e.token, e.method, path+e.query, e.body)
	f.answered(d, e, resp, used)
}

func (f *fixture) answered(d *document, e example, resp *http.Response, used map[string]bool) {
	f.Helper()
	text, err := io.ReadAll(resp.Body)
	name := fmt.Sprintf("%s %s %d", e.method, e.path, e.status)
	if err != nil || resp.StatusCode != e.status {
		f.Errorf("%s %s%s: %d %s (%v), want %d", e.method, e.path, e.query, resp.StatusCode, text, err, e.status)
		return
	}
	used[name] = true
	response, documented := d.Paths[e.path][strings.ToLower(e.method)].Responses[fmt.Sprint(e.status)]
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if _, ok := response.Content[kind]; !documented || !ok {
		f.Errorf("%s as %s is not documented", name, kind)
		return
	}
	if !strings.HasSuffix(kind, "json") {
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		f.Errorf("%s: %s: %v", name, text, err)
		return
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B").Replace
	schema, err := d.compiler.Compile(fmt.Sprintf("%s#/paths/%s/%s/responses/%d/content/%s/schema",
		documentName, escape(e.path), strings.ToLower(e.method), e.status, escape(kind)))
	if err != nil {
		f.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		f.Errorf("%s: %s\n%#v", name, text, err)
	}
	raw := at(response.Content, kind, "schema")
	d.mark(raw, "", value, used)
	if p, ok := value.(map[string]any); ok && e.status >= 400 && (p["detail"] == "" || p["remedy"] == nil) {
		f.Errorf("%s: %s says neither what was wrong nor what to do", name, text)
	}
}

// mark records the properties of named schemas that a value has.
func (d *document) mark(schema map[string]any, name string, value any, used map[string]bool) {
	if ref, ok := schema["$ref"].(string); ok {
		name = ref[strings.LastIndex(ref, "/")+1:]
		schema = at(d.raw, "components", "schemas", name)
	}
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			used[name+"."+key] = true
			d.mark(at(schema, "properties", key), "", inner, used)
		}
	case []any:
		for _, inner := range v {
			d.mark(at(schema, "items"), "", inner, used)
		}
	}
}

// followed follows the events, and as many times as it is refused.
func (f *fixture) followed(d *document, used map[string]bool) {
	f.Helper()
	resp := f.follow()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "text/event-stream" {
		f.Fatalf("%s, %s", resp.Status, kind)
	}
	if got := resp.Header.Get("X-Accel-Buffering"); got != "no" {
		f.Errorf("a proxy may collect the events: %q", got)
	}
	used["GET /events 200"] = true
	f.stream.Record(events.Event{Kind: events.Sent, QueueID: "Q1", Title: "Printer", Time: time.Unix(0, 0)})
	var got strings.Builder
	for buffer := make([]byte, 512); !strings.HasSuffix(got.String(), "}}\n\n"); {
		n, err := resp.Body.Read(buffer)
		got.Write(buffer[:n])
		if err != nil {
			f.Fatalf("%q, %v", got.String(), err)
		}
	}
	if text := got.String(); !strings.Contains(text, "event: sent\ndata: {\"type\":\"sent\"") ||
		strings.Contains(text, "Printer") {
		f.Errorf("events %q", text)
	}
	var ends []func()
	for {
		_, end, ok := f.stream.Subscribe()
		if !ok {
			break
		}
		ends = append(ends, end)
	}
	f.check(d, example{reading, "GET", "/events", "", "", "", 503}, used)
	for _, end := range ends {
		end()
	}
}

// The document has the operations and parameters that there are, and the fields of bodies.
func TestDocumentOfRequests(t *testing.T) {
	d := readDocument(t)
	var documented []string
	for path, methods := range d.Paths {
		for method, op := range methods {
			documented = append(documented, strings.ToUpper(method)+" "+path)
			if op.OperationID == "" {
				t.Errorf("%s %s has no operationId", method, path)
			}
		}
	}
	there := adminapi.Operations()
	slices.Sort(documented)
	slices.Sort(there)
	if !slices.Equal(documented, there) {
		t.Errorf("documented are\n%q, and there are\n%q", documented, there)
	}
	for schema, of := range map[string]any{"Action": adminapi.Action{}, "HoldRequest": adminapi.HoldRequest{}} {
		got := slices.Sorted(maps.Keys(at(d.raw, "components", "schemas", schema, "properties")))
		if want := slices.Sorted(slices.Values(fields(reflect.TypeOf(of)))); !slices.Equal(got, want) {
			t.Errorf("documented fields of %s are\n%q, and there are\n%q", schema, got, want)
		}
	}
	f := open(t)
	for path, methods := range d.Paths {
		for method, op := range methods {
			for _, p := range op.Parameters {
				if p.In == "query" {
					f.takes(strings.ToUpper(method), strings.NewReplacer("{conversation}", "1").Replace(path), p.Name)
				}
			}
		}
	}
}

// takes checks that an operation knows a parameter: its complaint about a value is about that.
func (f *fixture) takes(method, path, name string) {
	f.Helper()
	text, err := io.ReadAll(f.request(operating, method, path+"?"+name+"=", "").Body)
	if err != nil || strings.Contains(string(text), "there is no parameter") {
		f.Errorf("%s %s does not take %s: %s (%v)", method, path, name, text, err)
	}
}

// fields are the names of a struct in JSON.
func fields(t reflect.Type) (names []string) {
	for field := range t.Fields() {
		if field.Anonymous {
			names = append(names, fields(field.Type)...)
			continue
		}
		names = append(names, field.Tag.Get("json"))
	}
	return names
}

// The document is a valid one of OpenAPI, as far as that can be seen without its meta-schema: each
// reference leads somewhere, and each path parameter is declared.
func TestDocumentIsWhole(t *testing.T) {
	d := readDocument(t)
	if version, _ := d.raw["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		t.Errorf("version %q", version)
	}
	for name := range at(d.raw, "components", "schemas") {
		if _, err := d.compiler.Compile(documentName + "#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			for _, part := range strings.Split(path, "/") {
				name, isParameter := strings.CutPrefix(part, "{")
				name = strings.TrimSuffix(name, "}")
				declared := slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool {
					return p.In == "path" && p.Name == name
				})
				if isParameter && !declared {
					t.Errorf("%s %s does not declare %s", method, path, name)
				}
			}
		}
	}
}
