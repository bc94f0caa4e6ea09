package archtest

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write what is exported beside what was, as .got files")

// The packages at the top level are what other programs could use: what they
// export changes on purpose, or not at all.
func TestExported(t *testing.T) {
	for _, name := range []string{"smtpd", "mimeconv", "threading"} {
		t.Run(name, func(t *testing.T) {
			got, err := exec.Command("go", "doc", "-short", "heyrelay/"+name).Output()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".txt")
			want, err := os.ReadFile(file)
			if *update {
				if err := os.WriteFile(file+".got", got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil || string(got) != string(want) {
				t.Errorf("the exports of %s differ from %s (%v); compare what -update writes, and rename it\n%s",
					name, file, err, got)
			}
		})
	}
}
