package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// victimPath names, for the process that is to be killed, its spool.
const victimPath = "SPOOL_TEST_VICTIM"

// victimMail is how many messages it accepts where nobody kills it.
const victimMail = 10_000

// serveUntilKilled accepts, claims and finishes as fast as it can, and says on
// standard output what was answered: "accepted QUEUE-ID", "sent QUEUE-ID".
func serveUntilKilled(path string) {
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		for {
			tasks, _, err := s.Claim(
				context.Background(),
				epoch,
				time.Minute,
				spool.Capacity{Team: "shop", Rate: plenty, Free: 5},
			)
			if err != nil {
				panic(err)
			}
			for _, t := range tasks {
				o := spool.Outcome{Task: t, State: spool.Sent, ConvoID: t.Request, Status: 200}
				if _, err := s.Finish(context.Background(), epoch, o); err != nil {
					panic(err)
				}
				fmt.Printf("sent %s\n", t.QueueID)
			}
		}
	}()
	first := int64(os.Getpid()) << 32 // a number of its own for each message of each process
	each(8, victimMail, func(i int64) {
		m := mail(first + i)
		if _, err := s.Accept(context.Background(), m); err != nil {
			panic(err)
		}
		fmt.Printf("accepted %s\n", m.QueueID)
	})
	os.Exit(0)
}

// kill starts a process on the spool, kills it after some answers, and returns
// all that it had answered.
func kill(t *testing.T, path string, after int) (answers []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		answers = append(answers, lines.Text())
		if len(answers) == 1 {
			err := failOpen(t, path)
			if !errors.Is(err, spool.ErrInUse) {
				t.Errorf("beside another process: %v, want ErrInUse", err)
			}
			wantText(t, err, "process "+strconv.Itoa(cmd.Process.Pid)+":")
		}
		if len(answers) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process came to its end before it was killed")
	}
	return answers
}

// TestKill kills a process in the midst of its work, again and again: nothing
// that was answered is lost, the lock goes with the process, and the spool is
// sound.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	var answers []string
	for _, after := range []int{1, 40, 150, 400} {
		answers = append(answers, kill(t, path, after)...)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wantSound(t, s)
	for _, a := range answers {
		what, queueID, _ := strings.Cut(a, " ")
		detail, err := s.Show(t.Context(), queueID)
		if err != nil {
			t.Errorf("%s, and then: %v", a, err)
			continue
		}
		if state := detail.Requests[0].State; what == "sent" && state != "sent" {
			t.Errorf("%s, and then it was %s", a, state)
		}
	}
	t.Logf("%d answers, 4 kills", len(answers))
}
