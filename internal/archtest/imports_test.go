package archtest

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// may is the import table: which packages of the project a package may use.
// A package that is not named here is a mistake.
var may = map[string][]string{
	"mimeconv": {
		"mimeconv/charset", "mimeconv/htmltext", "mimeconv/ical", "mimeconv/linkblock", "mimeconv/tnef",
	},
	"mimeconv/charset":           {},
	"mimeconv/htmltext":          {},
	"mimeconv/ical":              {},
	"mimeconv/linkblock":         {"mimeconv/htmltext"}, // a template must close what it opens
	"mimeconv/tnef":              {"mimeconv/charset"},  // code pages
	"mimeconv/internal/fuzztest": {},

	"smtpd":                            {"internal/passhash"}, // check and serve accept the same hashes
	"internal/sendmail":                {"mimeconv", "smtpd"}, // both repair line endings alike
	"internal/smarthost":               {},
	"internal/smarthost/smarthosttest": {},

	"threading": {},
	"internal/config": { // check knows what serve would refuse: templates, and a store's URL
		"internal/blob", "internal/loopback", "internal/strictyaml", "internal/passhash", "mimeconv/linkblock",
	},
	"internal/strictyaml": {},
	"internal/passhash":   {},
	"internal/events":     {},
	"internal/problem":    {},
	"internal/activity":   {"internal/events"},
	"internal/access":     {"internal/events", "internal/passhash", "internal/problem"},
	"internal/backend":    {"internal/access", "internal/activity", "internal/blob", "internal/events", "internal/spool"},
	"internal/adminapi": {
		"internal/access", "internal/activity", "internal/backend", "internal/events", "internal/problem", "internal/spool",
	},
	"internal/console": {
		"internal/access", "internal/activity", "internal/backend", "internal/blob", "internal/events", "internal/problem",
		"internal/spool",
	},
	"internal/metrics":          {"internal/spool", "internal/events"},
	"internal/tracing":          {"internal/events"},
	"internal/heymarket":        {"internal/loopback", "internal/retryafter"},
	"internal/loopback":         {},
	"internal/retryafter":       {},
	"internal/sandbox":          {},
	"internal/spool":            {},
	"internal/archtest":         {},
	"internal/disk":             {},
	"internal/blob":             {"internal/disk", "internal/loopback"},
	"internal/fileserver":       {"internal/access", "internal/blob", "internal/events", "internal/spool"},
	"internal/blob/blobtest":    {"internal/blob"},
	"internal/cleaning":         {"internal/blob", "internal/spool"},
	"internal/spool/sqlite":     {"threading", "internal/disk", "internal/spool", "internal/spool/sqlite/vfs"},
	"internal/spool/sqlite/vfs": {},
	"internal/spool/spooltest":  {"internal/spool"},
	"internal/delivery": {
		"mimeconv", "internal/spool", "internal/heymarket", "internal/smarthost", "internal/events",
	},
	"internal/notify": {"internal/spool", "internal/smarthost", "internal/events", "internal/retryafter"},
	"internal/intake": {
		"smtpd", "mimeconv", "mimeconv/linkblock", "threading", "internal/blob", "internal/config", "internal/spool",
		"internal/events", "internal/smarthost",
	},
	"internal/relay": {
		"smtpd", "mimeconv", "threading", "internal/blob", "internal/config", "internal/events", "internal/heymarket",
		"internal/spool", "internal/intake", "internal/delivery", "internal/notify", "internal/smarthost",
		"internal/strictyaml", "internal/metrics", "internal/access", "internal/activity", "internal/adminapi",
		"internal/backend", "internal/console", "internal/cleaning", "internal/fileserver",
	},
}

// unnamed are package names that say nothing.
var unnamed = []string{"util", "utils", "common", "models", "types", "helpers"}

type pkg struct {
	ImportPath, Name, Doc string
	Imports               []string
	GoFiles               []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports,GoFiles", "heyrelay/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "heyrelay/")
		if strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "test/") {
			continue // both may use everything
		}
		allowed, known := may[name]
		if !known {
			t.Errorf("package %s is not in the import table", name)
			continue
		}
		for _, i := range p.Imports {
			i, ours := strings.CutPrefix(i, "heyrelay/")
			if ours && !slices.Contains(allowed, i) {
				t.Errorf("%s imports %s, which the import table does not allow", name, i)
			}
		}
	}
}

func TestPackagesTellTheirStory(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("package %s has no doc comment", p.ImportPath)
		}
		if slices.Contains(unnamed, p.Name) {
			t.Errorf("package %s: the name says nothing", p.ImportPath)
		}
	}
}

// Only the command names a store driver, so that every other package works with
// any store.
func TestOnlyTheCommandNamesADriver(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasPrefix(p.ImportPath, "heyrelay/cmd/") || strings.HasPrefix(p.ImportPath, "heyrelay/test/") {
			continue
		}
		for _, i := range p.Imports {
			const drivers = "heyrelay/internal/spool/"
			if strings.HasPrefix(i, drivers) && !strings.HasPrefix(p.ImportPath, drivers) {
				t.Errorf("%s names the driver %s", p.ImportPath, i)
			}
		}
	}
}

// unneeded are modules of which nothing is used, although a dependency names them.
var unneeded = []string{"github.com/goccy/go-json", "github.com/olekukonko/tablewriter"}

// What is built in takes memory, used or not.
func TestUnneededIsNotBuiltIn(t *testing.T) {
	for _, p := range list(t, "-deps", "./cmd/heyrelay") {
		for _, module := range unneeded {
			if strings.HasPrefix(p, module) {
				t.Errorf("the program contains %s", p)
			}
		}
	}
}
