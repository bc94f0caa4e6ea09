package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"heyrelay/internal/config"
)

type manCmd struct {
	Dir string `arg:"" type:"path" help:"The directory, which must exist."`
}

// Run writes heyrelay.1, a page for each command, and heyrelay.yaml.5.
func (c manCmd) Run(ctx *kong.Context) error {
	root := ctx.Model.Node
	pages := map[string]string{
		"heyrelay.1":      programPage(root),
		"heyrelay.yaml.5": configPage(),
	}
	for _, command := range visible(root) {
		pages["heyrelay-"+command.Name+".1"] = commandPage(command)
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// visible lists the subcommands that help lists.
func visible(node *kong.Node) (all []*kong.Node) {
	for _, child := range node.Children {
		if !child.Hidden {
			all = append(all, child)
		}
	}
	return all
}

// roff is a manual page in the macros of man(7).
type roff struct{ strings.Builder }

// page begins a page: its name and section, and a line that says what it is about.
func page(name, section, about string) *roff {
	date, _, _ := strings.Cut(settingsOf(buildInfo())["vcs.time"], "T")
	r := &roff{}
	fmt.Fprintf(r, ".TH %q %q %q %q %q\n", strings.ToUpper(name), section, date, "heyrelay "+version(), "heyrelay")
	r.section("NAME")
	r.text(name + " - " + about)
	return r
}

func (r *roff) section(title string) { r.WriteString(".SH " + title + "\n") }

func (r *roff) subsection(title string) { r.WriteString(".SS " + escape(title) + "\n") }

// text writes paragraphs; an empty line begins the next.
func (r *roff) text(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			r.WriteString(".PP\n")
		}
		r.WriteString(escape(paragraph) + "\n")
	}
}

// verbatim writes lines as they are.
func (r *roff) verbatim(text string) {
	r.WriteString(".nf\n" + escape(strings.TrimSpace(text)) + "\n.fi\n")
}

// item writes an entry of a list: a term in bold and its explanation.
func (r *roff) item(term, explanation string) {
	r.WriteString(".TP\n.B " + escape(term) + "\n" + escape(explanation) + "\n")
}

// escape writes a text so that roff shows it literally.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	return regexp.MustCompile(`(?m)^([.'])`).ReplaceAllString(text, `\&$1`)
}

// programPage is heyrelay(1).
func programPage(root *kong.Node) string {
	r := page("heyrelay", "1", "SMTP relay to Heymarket's e-mail API")
	r.section("SYNOPSIS")
	r.text("heyrelay COMMAND [flags]")
	r.section("DESCRIPTION")
	r.text(root.Help)
	r.section("COMMANDS")
	for _, command := range visible(root) {
		r.item("heyrelay-"+command.Name+"(1)", command.Help)
	}
	r.section("EXIT STATUS")
	for _, status := range []struct{ code, meaning string }{
		{"0", "Success."},
		{"1", "Failure."},
		{"2", "Invalid command line."},
		{"3", "heyrelay health --strict: mail is accepted, but some of it is delayed."},
		{"78", "Invalid configuration. Retrying does not help."},
	} {
		r.item(status.code, status.meaning)
	}
	r.WriteString(".PP\n")
	r.text("heyrelay sendmail uses the codes of sysexits.h: 64, 65, 69, 74 and 75.")
	r.section("ENVIRONMENT")
	r.item("HEYRELAY_CONFIG", "The configuration file, if -c names none.")
	r.item("HEYRELAY_INBOX and others", "The configuration, if there is no file; see heyrelay.yaml(5).")
	r.item("SENDMAIL_RELAY", "Where heyrelay sendmail submits mail: host:port or unix:/path.")
	r.section("FILES")
	r.item(systemConfig, "The configuration, described in heyrelay.yaml(5).")
	r.item("/var/lib/heyrelay/heyrelay.db", "The spool of the packaged service: unsent mail and the history.")
	r.item("/var/lib/heyrelay/blobs", "Linked attachments, if blobs.url names this directory.")
	r.section("SEE ALSO")
	r.text("heyrelay.yaml(5)")
	return r.String()
}

// commandPage describes a command and its subcommands.
func commandPage(command *kong.Node) string {
	r := page("heyrelay-"+command.Name, "1", strings.TrimSuffix(command.Help, "."))
	leaves := []*kong.Node{command}
	if subcommands := visible(command); len(subcommands) > 0 {
		leaves = subcommands
	}
	r.section("SYNOPSIS")
	for i, leaf := range leaves {
		if i > 0 {
			r.WriteString(".br\n")
		}
		r.text("heyrelay " + leaf.Summary())
	}
	r.section("DESCRIPTION")
	r.text(command.Help)
	for _, leaf := range leaves {
		if leaf != command {
			r.subsection("heyrelay " + leaf.Path())
			r.text(leaf.Help)
		}
		if leaf.Detail != "" {
			r.WriteString(".PP\n")
			r.verbatim(leaf.Detail)
		}
		r.arguments(leaf)
	}
	r.section("SEE ALSO")
	r.text("heyrelay(1), heyrelay.yaml(5)")
	return r.String()
}

// arguments lists what may follow a command.
func (r *roff) arguments(command *kong.Node) {
	for _, arg := range command.Positional {
		r.item(arg.Summary(), arg.Help)
	}
	for _, flag := range command.Flags {
		if !flag.Hidden {
			r.item(flag.String(), flag.Help)
		}
	}
}

// configPage is heyrelay.yaml(5).
func configPage() string {
	r := page("heyrelay.yaml", "5", "configuration of heyrelay")
	r.section("DESCRIPTION")
	r.text(`The configuration is YAML. "heyrelay config init" writes a starter configuration, "heyrelay config example" ` +
		`prints every key, "heyrelay check" reports all errors with file, line and column.

Durations have the units ms, s, m, h, d, w and y: 30s, 1h30m, 5d. Sizes have the units B, KB, MB and GB, or KiB, ` +
		`MiB and GiB. ${NAME} in a value is the environment variable NAME; $${ is a literal ${. A list of one value ` +
		`can be written as that value.

In the names below, [] stands for each entry of a list and NAME for a name that you choose.`)
	r.section("KEYS")
	for _, key := range config.Keys() {
		r.key(key.Path, key.Explanation, key.Value)
	}
	r.section("ENVIRONMENT")
	r.text("Without a file, these variables are the configuration.")
	for _, v := range config.Variables() {
		r.item(v.Name, v.Path)
	}
	r.section("SEE ALSO")
	r.text("heyrelay(1), heyrelay-config(1), heyrelay-check(1)")
	return r.String()
}

// key writes an entry of heyrelay.yaml(5).
func (r *roff) key(path, explanation, value string) {
	r.item(path, explanation)
	if value != "" {
		r.WriteString(".br\n" + escape(value) + "\n")
	}
}
