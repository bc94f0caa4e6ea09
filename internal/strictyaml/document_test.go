package strictyaml_test

import (
	"embed"
	"reflect"
	"strings"
	"testing"

	"heyrelay/internal/strictyaml"
)

//go:embed document_test.go
var source embed.FS

// server is a schema that has nothing to do with heyrelay.
type server struct {
	// The name.
	Name string `yaml:"name" start:"web" required:"choose a name"`

	// The timeout.
	Timeout strictyaml.Duration `yaml:"timeout" default:"5s" range:"1s..1h"`

	// The password.
	Password strictyaml.Secret `yaml:"password" example:"/run/secrets/password"`

	// The hosts.
	Hosts []host `yaml:"hosts"`

	// The tags.
	Tags []string `yaml:"tags" example:"[a, b]"`

	// By name.
	Users map[string]user `yaml:"users" start:"ann"`

	// The ports.
	Ports map[string]int `yaml:"ports" example:"{http: 80}" range:"1..65535"`
}

type host struct {
	// The mode.
	Mode string `yaml:"mode" default:"plain" oneof:"plain|secure"`
}

type user struct {
	// The pin.
	Pin string `yaml:"pin" sensitive:"true" oneof:"0000"`
}

func parse(text string) (*server, error) {
	var s server
	d := strictyaml.Parse("web.yaml", []byte(text), func(string) (string, bool) { return "", false })
	d.Decode(&s)
	return &s, d.Err()
}

// TestProblems wants every problem of a document at once, each with its place.
func TestProblems(t *testing.T) {
	_, err := parse("timeout: 2h\nhosts: [{mode: fast}]\nusers: {ann: {pin: 1234}}\nports: {http: 0}\nuser: {}\nmode: x\n")
	want := `web.yaml:1:1: the configuration has no name; choose a name
web.yaml:1:10: timeout cannot be "2h"; choose 1s to 1h
web.yaml:2:16: hosts[0].mode cannot be "fast"; choose plain or secure
web.yaml:3:20: users.ann.pin cannot be used; choose 0000
web.yaml:4:15: ports.http cannot be "0"; choose 1 to 65535
web.yaml:5:1: unknown key "user"; did you mean users?
web.yaml:6:1: unknown key "mode"; it belongs to hosts[].mode`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestShow prints all values, and those that differ from their defaults.
func TestShow(t *testing.T) {
	s, err := parse("name: web\nhosts: [{mode: plain}, {mode: secure}]\ntags: one\nports: {https: 443, http: 80}\n")
	if err != nil {
		t.Fatal(err)
	}
	all := "name: web\ntimeout: 5s\nhosts:\n  - mode: plain\n  - mode: secure\ntags: [one]\n" +
		"ports:\n  http: 80\n  https: 443\n"
	if got := string(strictyaml.Show(s)); got != all {
		t.Errorf("got\n%s\nwant\n%s", got, all)
	}
	changed := "name: web\nhosts:\n  - {}\n  - mode: secure\ntags: [one]\nports:\n  http: 80\n  https: 443\n"
	if got := string(strictyaml.ShowChanged(s)); got != changed {
		t.Errorf("got\n%s\nwant\n%s", got, changed)
	}
	again, err := parse(changed)
	if err != nil || !reflect.DeepEqual(s, again) {
		t.Errorf("what is changed reads as %+v, %v; want %+v", again, err, s)
	}
}

// TestExample wants each key with its comment, and only what is needed without #.
func TestExample(t *testing.T) {
	want := `# The name.
name: web

# The timeout.
#timeout: 5s  # 1s to 1h

# The password.
#password_file: /run/secrets/password  # an example
#password: ${PASSWORD}  # an example

# The hosts.
#hosts:
#  # The mode.
#  - mode: plain  # plain | secure

# The tags.
#tags: [a, b]  # an example

# By name.
users:
  ann:
    # The pin.
    #pin: 

# The ports.
#ports: {http: 80}  # an example
`
	if got := string(strictyaml.Example(reflect.TypeFor[server](), source)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestVariables reads variables into the same struct.
func TestVariables(t *testing.T) {
	known := []strictyaml.Variable{
		{Name: "NAME", Path: "name"},
		{Name: "MODE", Path: "hosts[0].mode"},
		{Name: "TAGS", Path: "tags"},
	}
	read := func(environ ...string) (*server, error) {
		var s server
		d := strictyaml.FromVariables("WEB_", known, environ, nil, "set WEB_NAME")
		d.Decode(&s)
		return &s, d.Err()
	}
	s, err := read("WEB_NAME=web", "WEB_MODE=secure", "WEB_TAGS=a, b,c", "PATH=/bin")
	if err != nil || s.Name != "web" || s.Hosts[0].Mode != "secure" || strings.Join(s.Tags, "|") != "a|b|c" {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = read("WEB_MODE=fast", "WEB_TAG=a")
	want := `WEB_TAG: unknown variable; did you mean WEB_TAGS?
WEB_MODE: cannot be "fast"; choose plain or secure
WEB_NAME: is not set; choose a name`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	_, err = read("PATH=/bin")
	want = "environment: there is no configuration; set WEB_NAME"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
