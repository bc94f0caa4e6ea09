package archtest

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// oldNames are identifiers that were given up for the terms of docs/states.md, by the directory below which none
// of them is declared again.
var oldNames = map[string]string{
	"": `Heard Lift Gate Gates gates Tell Told Answered Jumped Postpone Asleep Story RequestStory AttemptStory
		Clue Clues Trail Surprised Trouble shutter shutters Flows mayNot endLines`,
	"internal/spool":    "Place Waiting Wake Room Keep Standing Foreign Aside Look Digest Weak settle",
	"internal/delivery": "Place Foreign Aside Look settle",
	"internal/intake":   "obey told settle watch sweep",
	"internal/relay":    "obey told settle watch sweep",
	"smtpd":             "strange foreign door tally Left",
	"mimeconv":          "Members",
	"threading":         "Members",
}

// oldPhrases are words and phrases that a person no longer reads anywhere: not in comments, errors, logs,
// replies, help or documents.
var oldPhrases = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	`tell|tells|telling|told`, // report, log, notify, record, explain
	`whoever`,                 // anyone who, or the role
	`what waits`,              // pending requests
	`waits? for ever`,         // is never sent
	`for good`,                // permanently
	`troubles?`,               // error
	`strangers?`,              // unauthenticated client, unknown server
	`is no mail server`,       // invalid smarthost
	`not the same twice`,      // passwords do not match
	`what became of`,          // the status of
	`give up what`,            // drop pending requests
	`you hear of it`,          // no further reports will be sent
	`or the answer is no`,     // failure
	`asleep`,                  // deferred
	`shutters?`,               // hold
	`clues?`,                  // lookup
	`settled?|settles`,        // decide, resolve
}, "|") + `)\b`)

func TestOldNamesAreGone(t *testing.T) {
	inspect(t, func(file string, n ast.Node) string {
		for _, name := range declared(n) {
			for dir, old := range oldNames {
				if strings.HasPrefix(file, dir) && slices.Contains(strings.Fields(old), name) {
					return name + " is a name that was given up; docs/states.md has the term"
				}
			}
		}
		return ""
	})
}

// declared returns the names that a node declares outside of function bodies.
func declared(n ast.Node) []string {
	var ids []*ast.Ident
	switch n := n.(type) {
	case *ast.FuncDecl:
		ids = []*ast.Ident{n.Name}
	case *ast.TypeSpec:
		ids = []*ast.Ident{n.Name}
	case *ast.ValueSpec:
		ids = n.Names
	case *ast.Field:
		ids = n.Names
	}
	var names []string
	for _, id := range ids {
		names = append(names, id.Name)
	}
	return names
}

func TestOldPhrasesAreGone(t *testing.T) {
	for name, text := range tracked(t, ".go", ".md", ".sql", ".yaml", ".sh", ".txt") {
		if name == "internal/archtest/words_test.go" || name == "CHANGELOG.md" || strings.HasPrefix(name, "test/sabotage/") {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			if old := oldPhrases.FindString(line); old != "" {
				t.Errorf("%s:%d: %q is given up; use the standard term", name, i+1, old)
			}
		}
	}
}
