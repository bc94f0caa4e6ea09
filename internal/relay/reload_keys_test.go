package relay

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/activity"
	"heyrelay/internal/blob"
	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/internal/strictyaml"
)

// everything is a configuration with a value for each key.
const everything = `
hostname: relay.example.com
listeners: [{address: "127.0.0.1:2525", allow: [127.0.0.0/8]}]
users:
  - name: redmine
    password_hash: "$2y$04$abcdefghijklmnopqrstuuxz7bsiTZrx4f3Iq4Lt3YQUjd1NhOTgO"
    senders: ["*@a.test"]
  - {name: jira, password_hash: "$2y$04$abcdefghijklmnopqrstuuxz7bsiTZrx4f3Iq4Lt3YQUjd1NhOTgO"}
heymarket: {base_url: "https://api.example.com"}
teams:
  shop: {secrets: [{id: one, key: "${KEY}"}]}
  office: {api_key: "${KEY}"}
routes:
  - name: support
    team: shop
    inbox: 202
    creator_id: 55
    match: {user: [redmine], client: [10.0.0.0/8], sender: ["*@a.test"], from: ["*@a.test"]}
    thread_by_subject: '\[#(\d+)\]'
    own_addresses: ["a@a.test"]
    only_recipients: ["*@a.test"]
    link_also: [calendar]
    link_block:
      html: "{{range .Files}}{{.URL}}{{end}}"
      text: "{{range .Files}}{{.URL}}{{end}}{{range .Images}}{{.URL}}{{end}}"
    shadow: {next: "smtp://127.0.0.1:35", user: a, password: "${KEY}"}
    smarthost: {next: "smtp://127.0.0.1:45", user: a, password: "${KEY}"}
aliases: {root: ops@example.com}
bounces: {smarthost: "smtp://127.0.0.1:25", user: heyrelay, password: "${KEY}", from: a@example.com}
blobs:
  url: "s3://files?endpoint=https://s3.example.com"
  access_key_id: heyrelay
  secret_access_key: "${KEY}"
  public_url: "https://files.example.com"
  proxies: [192.0.2.1]
  refuse: [exe]
events: {url: "https://ops.example.com", secret: "${HOOK}", kinds: [failed]}
metrics: {address: "127.0.0.1:9125"}
`

// written are the values that reflection cannot change, by key: what everything has, and another.
var written = map[string][2]string{
	"listeners[].address":         {"127.0.0.1:2525", "127.0.0.1:2526"},
	"listeners[].allow":           {"allow: [127.0.0.0/8]", "allow: [192.0.2.0/24]"},
	"users[].password_hash":       {"NhOTgO", "NhOTgP"},
	"users[].senders":             {`senders: ["*@a.test"]`, `senders: ["*@b.test"]`},
	"teams.*.secrets":             {"{id: one, key", "{id: two, key"},
	"teams.*.secrets[].key":       {`one, key: "${KEY}"`, `one, key: "${OTHER}"`},
	"teams.*.api_key":             {`api_key: "${KEY}"`, `api_key: "${OTHER}"`},
	"routes[].match.user":         {"user: [redmine]", "user: [jira]"},
	"routes[].match.client":       {"client: [10.0.0.0/8]", "client: [192.0.2.0/24]"},
	"routes[].match.sender":       {`sender: ["*@a.test"]`, `sender: ["*@b.test"]`},
	"routes[].match.from":         {`from: ["*@a.test"]`, `from: ["*@b.test"]`},
	"routes[].thread_by_subject":  {`'\[#(\d+)\]'`, `'<(\d+)>'`},
	"routes[].own_addresses":      {`["a@a.test"]`, `["b@a.test"]`},
	"routes[].only_recipients":    {`only_recipients: ["*@a.test"]`, `only_recipients: ["*@b.test"]`},
	"routes[].link_also":          {"[calendar]", "[message]"},
	"routes[].link_block.html":    {` html: "`, ` html: "Files:`},
	"routes[].link_block.text":    {`text: "`, `text: "Files:`},
	"routes[].shadow.next":        {"127.0.0.1:35", "127.0.0.1:36"},
	"routes[].shadow.password":    {`35", user: a, password: "${KEY}"`, `35", user: a, password: "${OTHER}"`},
	"routes[].smarthost.next":     {"127.0.0.1:45", "127.0.0.1:46"},
	"routes[].smarthost.password": {`45", user: a, password: "${KEY}"`, `45", user: a, password: "${OTHER}"`},
	"aliases":                     {"root: ops", "root: dev"},
	"bounces.smarthost":           {"127.0.0.1:25\"", "127.0.0.1:26\""},
	"bounces.password":            {`password: "${KEY}"`, `password: "${OTHER}"`},
	"blobs.secret_access_key":     {`secret_access_key: "${KEY}"`, `secret_access_key: "${OTHER}"`},
	"blobs.listen":                {"blobs:\n", "blobs:\n  listen: 127.0.0.1:8028\n"},
	"blobs.proxies":               {"proxies: [192.0.2.1]", "proxies: [192.0.2.2]"},
	"blobs.refuse":                {"refuse: [exe]", "refuse: [js]"},
	"events.secret":               {"${HOOK}", "${HOOK2}"},
	"events.kinds":                {"kinds: [failed]", "kinds: [held]"},
	"metrics.address":             {"127.0.0.1:9125", "127.0.0.1:9126"},
}

// elsewhere are the keys that other tests change, because their values are files, or are used
// outside the relay.
var elsewhere = []string{
	"tls.", "users_file", "log.", "spool.min_free", // cmd/heyrelay/testdata/reload.txtar
	"console.",  // TestReloadConsole
	"blobs.tls", // TestReloadFiles
}

// onlyKeys is a spool that is asked for nothing but what makes links.
type onlyKeys struct{ spool.Store }

func (onlyKeys) SigningKey(context.Context) ([]byte, error) { return make([]byte, 32), nil }

func (onlyKeys) UseStore(context.Context, string) error { return nil }

func (onlyKeys) Owner(context.Context) ([4]byte, error) { return [4]byte{}, nil }

// nowhereBlobs is a store that nobody uses.
type nowhereBlobs struct {
	blob.Store
	url string
}

// After a reload that changed one key, all that a relay consists of is as in one that was started
// with the new value. Each key of the configuration is tried, or named as one that another test
// tries, or that needs a restart.
func TestReloadEachKey(t *testing.T) {
	env := map[string]string{"KEY": "key", "OTHER": "another-key", "HOOK": hook(0), "HOOK2": hook(1)}
	read := func(text string) *config.Config {
		cfg, err := config.Parse("test", []byte(text), func(name string) (string, bool) { return env[name], true })
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	start := func(cfg *config.Config) *reloading {
		r := &reloading{t: t}
		var err error
		r.Relay, err = New(cfg, Parts{
			Store:  onlyKeys{},
			Sink:   events.Sinks{},
			Random: strings.NewReader(""),
			Now:    func() time.Time { return time.Unix(0, 0) },
			Listen: nowhere,

			OpenBlobs: func(url string, _ blob.Options) (blob.Store, error) { return &nowhereBlobs{url: url}, nil },
			Load:      func() (*config.Config, error) { return r.next() },
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	tried := 0
	for _, k := range keys("", reflect.TypeFor[config.Config]()) {
		if slices.ContainsFunc(elsewhere, func(p string) bool { return strings.HasPrefix(k.path, p) }) ||
			needsRestart(k.path) {
			continue
		}
		tried++
		cfg := read(everything)
		if w, ok := written[k.path]; ok {
			cfg = read(strings.Replace(everything, w[0], w[1], 1))
		} else {
			k.change(t, reflect.ValueOf(cfg).Elem())
		}
		r := start(read(everything))
		before := dump(r.Relay)
		r.next = func() (*config.Config, error) { return cfg, nil }
		done, err := r.Reload()
		if err != nil {
			t.Errorf("%s: %v", k.path, err)
			continue
		}
		if len(done.Changed) == 0 || len(done.Restart) > 0 {
			t.Errorf("%s: %s", k.path, done)
		}
		after, want := dump(r.Relay), dump(start(cfg).Relay)
		if after == before {
			t.Errorf("%s: nothing is different", k.path)
		}
		if after != want {
			t.Errorf("%s: after a reload\n%s", k.path, firstDifference(after, want))
		}
	}
	t.Logf("%d keys", tried)
}

// key is a key of the configuration.
type key struct {
	path  string // with [] for the elements of a list, and * for the names of a map
	index []any  // of fields (int), or "[]" or "*"
	tag   reflect.StructTag
}

// keys returns the keys of a struct.
func keys(path string, in reflect.Type, index ...any) (all []key) {
	for i := range in.NumField() {
		f := in.Field(i)
		name := f.Tag.Get("yaml")
		if name == "" {
			continue
		}
		k := key{strictyaml.Join(path, name), append(slices.Clone(index), i), f.Tag}
		t := f.Type
		ours := t.Kind() == reflect.Struct && t.PkgPath() == in.PkgPath() && t.NumField() > 0
		switch {
		case ours && t.Field(0).Tag.Get("yaml") != "":
			all = append(all, keys(k.path, t, k.index...)...)
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && t.Elem().Field(0).Tag.Get("yaml") != "":
			all = append(all, keys(k.path+"[]", t.Elem(), append(k.index, "[]")...)...)
		case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
			all = append(all, keys(k.path+".*", t.Elem(), append(k.index, "*")...)...)
		default:
			all = append(all, k)
		}
	}
	return all
}

// change gives the key another value, in the first element of a list or in team shop.
func (k key) change(t *testing.T, v reflect.Value) {
	t.Helper()
	for n, step := range k.index {
		switch at := step.(type) {
		case int:
			v = v.Field(at)
		case string:
			if at == "[]" {
				v = v.Index(0)
				break
			}
			name := reflect.ValueOf("shop")
			element := reflect.New(v.Type().Elem()).Elem()
			element.Set(v.MapIndex(name))
			rest := key{path: k.path, index: k.index[n+1:], tag: k.tag}
			rest.change(t, element)
			v.SetMapIndex(name, element)
			return
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1_000_000_000)
	case reflect.String:
		other := v.String() + "x"
		for choice := range strings.SplitSeq(k.tag.Get("oneof"), "|") {
			if choice != "" && choice != v.String() {
				other = choice
			}
		}
		v.SetString(other)
	default:
		t.Errorf("%s: add a value of %v to written", k.path, v.Type())
	}
}

// dump describes all that a relay consists of. The scheduler's loop takes the set-up when it runs.
func dump(r *Relay) string {
	d := dumper{seen: map[uintptr]bool{}}
	d.add("setup", reflect.ValueOf(r.setup.Load()))
	d.add("relay", reflect.ValueOf(r))
	return d.text.String()
}

type dumper struct {
	text strings.Builder
	seen map[uintptr]bool
}

// leftOut are the first configuration, and what is random. The console's counter is left out, too:
// it counts the reload.
var leftOut = []string{"relay.started", "relay.scheduler.setup", "relay.server.users.secret"}

func (d *dumper) add(path string, v reflect.Value) {
	if slices.Contains(leftOut, path) || v.Type() == reflect.TypeFor[activity.Counter]() {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || v.Kind() == reflect.Pointer && d.seen[v.Pointer()] {
			return
		}
		if v.Kind() == reflect.Pointer {
			d.seen[v.Pointer()] = true
		}
		d.add(path, v.Elem())
	case reflect.Struct:
		if p := v.Type().PkgPath(); !strings.HasPrefix(p, "heyrelay/") && p != "net/netip" && p != "regexp" {
			return
		}
		for i := range v.NumField() {
			d.add(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			d.add(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Map:
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, n := range names {
			d.add(fmt.Sprintf("%s[%v]", path, n), v.MapIndex(n))
		}
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
	default:
		fmt.Fprintf(&d.text, "%s=%v\n", path, v)
	}
}

func firstDifference(a, b string) string {
	got, want := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range got {
		if i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("%s\nwant %s", got[i], want[min(i, len(want)-1)])
		}
	}
	return want[len(got)]
}
