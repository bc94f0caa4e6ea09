package archtest

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write what is exported into testdata")

// Other programs could use the packages at the top level: their exports change on
// purpose only. With -update they are written into testdata.
func TestExported(t *testing.T) {
	for _, name := range []string{"smtpd", "mimeconv", "threading"} {
		t.Run(name, func(t *testing.T) {
			got, err := exec.Command("go", "doc", "-short", "heyrelay/"+name).Output()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || string(got) != string(want) {
				t.Errorf("the exports of %s differ from %s (%v): compare, and run with -update\n%s",
					name, file, err, got)
			}
		})
	}
}
