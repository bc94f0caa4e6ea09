package readme

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heyrelay/test/process"
)

func readme(t *testing.T) string {
	t.Helper()
	return page(t, "README.md")
}

// page returns a file of the repository.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The tour, as it is printed, but for the ports: the reply lands in the mail's
// conversation.
func TestTour(t *testing.T) {
	process.Need(t, "swaks", "curl")
	binary := process.Build(t)
	demo := process.Start(t, binary, "demo")
	smtp := demo.Await(`SMTP +(\S+)`)
	api := demo.Await(`sandbox +http://(\S+)`)
	demo.Await("Press Ctrl-C")

	tour := process.Blocks(readme(t), "sh")[:5]
	var outputs []string
	for i, line := range tour {
		if i == 2 {
			process.AwaitMessages(t, "http://"+api, 2)
		}
		line = strings.NewReplacer("127.0.0.1:2525", smtp, "127.0.0.1:8026", api).Replace(line)
		outputs = append(outputs, process.Shell(t, binary, t.TempDir(), line))
	}
	queued := `250 2\.0\.0 Ok: queued as`
	for i, want := range []string{queued, queued, `"targets":.*"convo_id":[1-9]`, queued, `"conv_title": "Hello"`} {
		if !regexp.MustCompile(`(?s)` + want).MatchString(outputs[i]) {
			t.Errorf("%s\ngave no %q:\n%s", tour[i], want, outputs[i])
		}
	}
	all := process.AwaitMessages(t, "http://"+api, 3)
	link := regexp.MustCompile(`http://\S+/f/\S+/Rechnung%204711\.txt`).FindString(all[2].Request.RawText)
	if got := process.Shell(t, "", t.TempDir(), "curl -s '"+link+"'"); got != "Total: 42.00" {
		t.Errorf("the attachment at %q is %q", link, got)
	}
	if all[0].ConvoID != all[1].ConvoID {
		t.Errorf("two conversations: %+v", all)
	}
}

// The commands of docs/api.md reach a relay with the configuration that it shows.
func TestAPICommands(t *testing.T) {
	process.Need(t, "curl", "openssl")
	dir, address := t.TempDir(), process.FreeAddress(t)
	places := strings.NewReplacer("/run/secrets", dir, "127.0.0.1:8025", address, `"support"`, `"inbox-202"`)
	text := page(t, "docs/api.md")
	commands := process.Blocks(text, "sh")
	generate, overview, _ := strings.Cut(places.Replace(commands[0]), "\n")
	process.Shell(t, "", dir, generate)
	process.StartRelay(t, process.Build(t), places.Replace(process.Blocks(text, "yaml")[0]))
	for line, want := range map[string]string{
		overview: `"rate_per_minute":`,
		"TOKEN=$(cat heyrelay_script)\n" + places.Replace(commands[1]): `"matched":0`,
	} {
		if out := process.Shell(t, "", dir, line); !strings.Contains(out, want) {
			t.Errorf("%s\ngave no %s:\n%s", line, want, out)
		}
	}
}

// The smallest configuration, and the one by environment alone, are valid.
func TestConfigurations(t *testing.T) {
	binary, dir := process.Build(t), t.TempDir()
	key, config := filepath.Join(dir, "heymarket_key"), process.Blocks(readme(t), "yaml")[0]
	for file, text := range map[string]string{
		key:                                 "secret",
		filepath.Join(dir, "heyrelay.yaml"): strings.ReplaceAll(config, "\n   ", "\n"),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	process.Shell(t, binary, dir, "heyrelay check -c heyrelay.yaml")
	sidecar := process.Blocks(page(t, "docs/environment.md"), "sh")[0]
	places := strings.NewReplacer("/run/secrets/heymarket_key", key, "heyrelay serve", "heyrelay check")
	line := places.Replace(sidecar)
	if !strings.HasSuffix(line, "heyrelay check") {
		t.Fatalf("no serve in %q", sidecar)
	}
	process.Shell(t, binary, dir, line)
}

// Every command that a page names exists, and takes the flags that it shows.
func TestNamedCommands(t *testing.T) {
	binary := process.Build(t)
	tried := map[string]bool{}
	for _, name := range pages(t) {
		if name == "CHANGELOG.md" {
			continue // it names what was
		}
		for _, m := range regexp.MustCompile("`heyrelay ([^`]+)`").FindAllStringSubmatch(page(t, name), -1) {
			command := strings.Join(strings.Fields(m[1]), " ")
			if tried[command] {
				continue
			}
			tried[command] = true
			out, err := exec.Command(binary, append(strings.Fields(command), "--help")...).CombinedOutput()
			if err != nil {
				t.Errorf("%s: heyrelay %s: %v\n%s", name, command, err, out)
			}
		}
	}
}
