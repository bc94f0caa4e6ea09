package main

import (
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"heyrelay/test/process"
)

// TestScripts runs the files of testdata with the program as it is released: a test binary with the race
// detector takes a second to start. The first line of each says what a reader must see. Beside testscript's
// own commands there are
//
//	free NAME …            sets NAME to a loopback address that nothing listens on
//	await PROGRAM ARG …    runs a program until it succeeds
//	fill FILE …            puts the environment's values in place of $NAME
//	login ADDRESS USER PASSWORD FILE    does so as a user
//	mail ADDRESS FILE      hands the message in FILE to an SMTP server, from app@example.com to alice@example.com
func TestScripts(t *testing.T) {
	programs := t.TempDir()
	binary := process.Build(t)
	for _, name := range []string{"heyrelay", "sendmail", "mailq", "newaliases"} {
		if err := os.Symlink(binary, filepath.Join(programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"free": free, "await": await, "fill": fill, "mail": sendMail, "login": login,
		},
		Setup: func(e *testscript.Env) error {
			for _, v := range process.Environment() { // the Go caches, for children
				if k, _, _ := strings.Cut(v, "="); strings.HasPrefix(k, "GO") {
					e.Vars = append(e.Vars, v)
				}
			}
			e.Setenv("PATH", programs+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
	})
}

func free(ts *testscript.TestScript, _ bool, names []string) {
	for _, n := range names {
		ts.Setenv(n, process.FreeAddress(quiet{ts: ts}))
	}
}

// quiet is as much of a testing.TB as FreeAddress needs.
type quiet struct {
	testing.TB
	ts *testscript.TestScript
}

func (q quiet) Helper()           {}
func (q quiet) Fatal(args ...any) { q.ts.Fatalf("%v", args) }

func await(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%q never succeeded: %v", args, err)
		}
	}
}

func fill(ts *testscript.TestScript, _ bool, files []string) {
	for _, f := range files {
		path := ts.MkAbs(f)
		text := os.Expand(ts.ReadFile(f), func(name string) string {
			if v := ts.Getenv(name); v != "" {
				return v
			}
			return "${" + name + "}"
		})
		ts.Check(os.WriteFile(path, []byte(text), 0o600))
	}
}

func sendMail(ts *testscript.TestScript, refused bool, args []string) {
	submitTo(ts, refused, args[0], nil, args[1])
}

func login(ts *testscript.TestScript, refused bool, args []string) {
	submitTo(ts, refused, args[0], smtp.PlainAuth("", args[1], args[2], "127.0.0.1"), args[3])
}

func submitTo(ts *testscript.TestScript, refused bool, address string, auth smtp.Auth, file string) {
	text := strings.ReplaceAll(ts.ReadFile(file), "\n", "\r\n")
	err := smtp.SendMail(address, auth, "app@example.com", []string{"alice@example.com"}, []byte(text))
	if refused != (err != nil) {
		ts.Fatalf("%s: %v", address, err)
	}
}
