package smarthosttest

import (
	"bytes"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// Raw is a mail server on loopback that takes octets as they come, where Server reads them
// as mail. It ends a message at CRLF, dot and CRLF alone, and halves dots after CRLF alone.
type Raw struct {
	Address string                      // host:port
	Answer  func(command string) string // the reply, without the last CRLF; "" for the usual one; or Cut

	mu       sync.Mutex
	commands []string
	contents [][]byte
}

// Cut is an answer that closes the connection.
const Cut = "cut"

// ServeRaw starts a server, which ends with the test. A change that is not nil is made before
// it starts.
func ServeRaw(t testing.TB, change func(*Raw)) *Raw {
	t.Helper()
	r := &Raw{}
	if change != nil {
		change(r)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.Address = l.Addr().String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.serve(textproto.NewConn(conn)) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return r
}

// Commands returns the commands of all sessions, as they came.
func (r *Raw) Commands() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commands
}

// Contents returns the content of each message that came, refused or not.
func (r *Raw) Contents() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.contents
}

// serve serves one client until it leaves.
func (r *Raw) serve(text *textproto.Conn) {
	defer text.Close()
	reply := "220 raw"
	for reply != Cut {
		err := text.PrintfLine("%s", reply)
		if err != nil {
			return
		}
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		reply = r.answer(line)
		if line != "DATA" || !strings.HasPrefix(reply, "354") {
			continue
		}
		err = text.PrintfLine("%s", reply)
		if err != nil {
			return
		}
		content, err := readContent(text)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.contents = append(r.contents, content)
		r.mu.Unlock()
		reply = r.answer(".")
	}
}

// answer returns the reply to a command; "." is the end of a message.
func (r *Raw) answer(command string) string {
	r.mu.Lock()
	r.commands = append(r.commands, command)
	r.mu.Unlock()
	if r.Answer != nil {
		if own := r.Answer(command); own != "" {
			return own
		}
	}
	verb, _, _ := strings.Cut(command, " ")
	switch verb {
	case "EHLO":
		return "250-raw\r\n250-8BITMIME\r\n250 DSN"
	case "DATA":
		return "354 go on"
	case "QUIT":
		return "221 bye"
	case ".":
		return fmt.Sprintf("250 2.0.0 taken as %d", len(r.Contents()))
	}
	return "250 ok"
}

// readContent reads the content of a message to its end.
func readContent(text *textproto.Conn) ([]byte, error) {
	end := []byte("\r\n.\r\n")
	content := []byte("\r\n")
	for !bytes.HasSuffix(content, end) {
		b, err := text.R.ReadByte()
		if err != nil {
			return nil, err
		}
		content = append(content, b)
	}
	content = bytes.TrimSuffix(content, end[2:])
	return bytes.TrimPrefix(bytes.ReplaceAll(content, []byte("\r\n."), []byte("\r\n")), []byte("\r\n")), nil
}
