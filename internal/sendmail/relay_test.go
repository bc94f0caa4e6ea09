package sendmail

import (
	"io"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/smarthost/smarthosttest"
)

// A relay that ends without a reply to the message may have accepted it: nothing else is said.
func TestUnconfirmed(t *testing.T) {
	for command, want := range map[string]string{
		".":    "which it may have accepted",
		"DATA": "nothing was sent",
	} {
		s := smarthosttest.ServeRaw(t, func(r *smarthosttest.Raw) {
			r.Answer = func(c string) string {
				if c == command {
					return smarthosttest.Cut
				}
				return ""
			}
		})
		var printed strings.Builder
		c := &Command{
			Stdin:   strings.NewReader("Subject: x\n\nHi.\n"),
			Stderr:  &printed,
			Environ: []string{"SENDMAIL_RELAY=" + s.Address},
		}
		code := c.Run(t.Context(), []string{"a@example.com"})
		if code != exTempFail || !strings.Contains(printed.String(), want) {
			t.Errorf("cut after %s: %d, %s", command, code, printed.String())
		}
	}
}

// A client that speaks SMTP may keep its side open after QUIT, and wait for the end of the command.
func TestDialogueEndsWithTheRelay(t *testing.T) {
	s := smarthosttest.Serve(t, nil)
	in, client := io.Pipe()
	defer client.Close()
	c := &Command{
		Stdin:   struct{ io.Reader }{in}, // as a pipe's, its reading cannot be interrupted
		Stdout:  io.Discard,
		Stderr:  io.Discard,
		Environ: []string{"SENDMAIL_RELAY=" + s.Address},
	}
	ended := make(chan int)
	go func() { ended <- c.Run(t.Context(), []string{"-bs"}) }()
	if _, err := io.WriteString(client, "EHLO app\nQUIT\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-ended:
		if code != exOK {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits for its client")
		_ = client.Close()
		<-ended
	}
}
