package operation

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"heyrelay/test/process"
)

// A backup is made while the relay runs; the relay sends what was pending in it and is lost
// with its spool. A restored backup sends nothing twice.
func TestBackupAndRestore(t *testing.T) {
	const messages = 50
	r := process.StartRelay(t, process.Build(t))
	r.Command(t, "queue", "hold", "--route", "inbox-202")
	load(t, r.SMTP, 0, messages).Wait()
	copied := filepath.Join(r.Dir, "backup.db")
	backup := func() ([]byte, error) {
		return exec.Command(r.Binary, "spool", "backup", "-c", r.Config, copied).CombinedOutput()
	}
	if out, err := backup(); err != nil || string(out) != "wrote "+copied+"\n" {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	const exists = "file already exists; name a file that does not exist"
	if out, err := backup(); err == nil || !strings.Contains(string(out), exists) {
		t.Errorf("a second backup to the same file: %v\n%s", err, out)
	}
	r.Command(t, "queue", "release", "--route", "inbox-202")
	process.AwaitMessages(t, r.API, messages)
	r.Serve.Kill()

	spool := filepath.Join(r.Dir, "spool.db")
	if err := errors.Join(os.Rename(copied, spool), os.Remove(spool+"-wal"), os.Remove(spool+"-shm")); err != nil {
		t.Fatal(err)
	}
	r.Restart(t)
	r.Serve.Await("restored from a backup")
	r.Command(t, "queue", "release", "--route", "inbox-202")
	awaitNone(t, r, "waiting")
	titles := map[string]int{}
	for _, m := range process.Messages(t, r.API) {
		titles[m.Request.ConvTitle]++
	}
	for i := range messages {
		if n := titles[fmt.Sprintf("Mail %d", i)]; n != 1 {
			t.Errorf("message %d was sent %d times", i, n)
		}
	}
	if n := inState(t, r, "sent"); n != messages {
		t.Errorf("%d are sent, want %d", n, messages)
	}
}
