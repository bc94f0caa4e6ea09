package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// handing is filled with more keys of the route.
const handing = `
teams: {shop: {secrets: [{id: demo, key_file: key}]}}
routes: [{name: support, inbox: 202, creator_id: 55, %s}]
delivery: {retry_initial: 1s}
`

// startHanding starts a relay whose route hands all mail to another server: the API gets none.
func startHanding(t *testing.T, keys string) *process.Relay {
	t.Helper()
	process.Need(t, "swaks")
	r := process.StartRelayWith(t, process.Build(t), fmt.Sprintf(handing, keys))
	t.Cleanup(func() {
		if n := len(process.Messages(t, r.API)); n > 0 {
			t.Errorf("the API has %d messages", n)
		}
	})
	return r
}

// arrived returns the n mails in a directory of smtp-sink.
func arrived(t *testing.T, dumps string, n int) (all []string) {
	t.Helper()
	files, err := os.ReadDir(dumps)
	if err != nil || len(files) != n {
		t.Fatalf("%d mails arrived, want %d (%v)", len(files), n, err)
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(dumps, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(got))
	}
	return all
}

// trace is the Received field of heyrelay in a mail to several recipients.
var trace = regexp.MustCompile(`(?m)^Received: from \S+ \(\[127\.0\.0\.1\]\)\n` +
	`\tby relay\.example\.com \(heyrelay\) with ESMTP id \w+; .*\n`)

// sameBehindTrace fails the test unless a mail has one trace, and what follows is as wanted.
func sameBehindTrace(t *testing.T, mail, want string) {
	t.Helper()
	parts := trace.Split(mail, -1)
	if len(parts) != 2 {
		t.Fatalf("%d Received fields of heyrelay in\n%.1000s", len(parts)-1, mail)
	}
	if got := parts[1]; got != want {
		t.Errorf("arrived %s", difference(got, want))
	}
}

// difference shows where two texts begin to differ.
func difference(got, want string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	from := max(0, i-100)
	const format = "%d octets, want %d; they differ at %d:\n%.300q\n%.300q"
	return fmt.Sprintf(format, len(got), len(want), i, got[from:], want[from:])
}

// awaitPostfix waits until Postfix has delivered n mails, and returns its log.
func awaitPostfix(t *testing.T, log string, n int) (text string) {
	t.Helper()
	process.Await(t, func() error {
		read, err := os.ReadFile(log)
		text = string(read)
		if sent := strings.Count(text, " status=sent "); err == nil && sent < n {
			err = fmt.Errorf("Postfix delivered %d mails, want %d:\n%s", sent, n, text)
		}
		return err
	})
	return text
}
