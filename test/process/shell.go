package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Home is the environment of a program whose home is dir, with somebody for whom git commits.
func Home(dir string) []string {
	return append(Environment(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
}

// Shell runs a command line in dir, its home, with heyrelay on the path and more variables. It
// returns the output, and ends the test if the command fails.
func Shell(t testing.TB, binary, dir, line string, more ...string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", line)
	cmd.Dir = dir
	cmd.Env = append(Home(dir), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	cmd.Env = append(cmd.Env, more...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", line, err, out)
	}
	return string(out)
}
