package readme

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sources is the text of all Go files but tests, with strings that go over several lines
// joined.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "test") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`" *\+\s*"`).ReplaceAllString(all.String(), "")
}

var (
	quotedMessage = regexp.MustCompile("^`([^`]+)`$")
	smtpCode      = regexp.MustCompile(`^([45]\d\d) ([45])\.(\d+)\.(\d+)$`)
)

// Each message that docs/troubleshooting.md quotes stands in the source, and so does each
// SMTP code with its enhanced code.
func TestQuotedMessagesExist(t *testing.T) {
	source := sources(t)
	quoted := 0
	for line := range strings.Lines(page(t, "docs/troubleshooting.md")) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		for _, cell := range cells[:min(2, len(cells))] { // a code and a message, or a message; the others are prose
			cell = strings.TrimSpace(cell)
			if m := quotedMessage.FindStringSubmatch(cell); m != nil {
				quoted++
				findMessage(t, source, m[1])
			}
			if m := smtpCode.FindStringSubmatch(cell); m != nil && !hasCode(source, m) {
				t.Errorf("no reply has the code %s", cell)
			}
		}
	}
	if quoted < 60 {
		t.Errorf("only %d messages are quoted", quoted)
	}
}

// findMessage fails the test unless each part of a message between what varies stands in the
// source.
func findMessage(t *testing.T, source, message string) {
	t.Helper()
	for part := range strings.SplitSeq(message, "…") {
		part = strings.TrimSpace(part)
		if !strings.Contains(source, part) {
			t.Errorf("`%s`: the source has no %q", message, part)
		}
	}
}

// hasCode reports whether a reply with a code is made somewhere, in one of the forms that
// the source has.
func hasCode(source string, m []string) bool {
	for _, form := range []string{
		m[1] + ", smtp.EnhancedCode{" + m[2] + ", " + m[3] + ", " + m[4] + "}",
		m[1] + `, "` + m[2] + "." + m[3] + "." + m[4] + `"`,
		m[1] + `, Enhanced: "` + m[2] + "." + m[3] + "." + m[4] + `"`,
		m[0],
	} {
		if strings.Contains(source, form) {
			return true
		}
	}
	return m[0] == "554 5.3.0" && strings.Contains(source, `reply.Enhanced = "5.3.0"`) // of intake's wait
}
