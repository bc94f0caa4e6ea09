package smtpd

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a client sends, the server survives, every 250 to a message stands for a message,
// and the Handler gets valid envelopes and content. The seeds are the clients' sides of the
// dialogues.
func FuzzSession(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		script, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(clientSide(f, string(script)))
	}
	secure, users := tlsConfig(f), []User{testUser(f, "bob sesame")}
	f.Fuzz(func(t *testing.T, sent []byte) {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "smtp")) // TCP would run out of ports
		if err != nil {
			t.Skip(err)
		}
		o := Settings{Users: users, Limits: Limits{MessageSize: 1 << 20}}
		h := openOn(t, l, Access{TLS: secure}, o, &recorder{})
		dialled, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, dialled)
		received := make(chan string)
		go func() {
			all, _ := io.ReadAll(c)
			received <- string(all)
		}()
		_, _ = c.Write(sent)
		_ = c.Conn.(*net.UnixConn).CloseWrite()
		replies := <-received
		h.stop(t)
		mail := h.messages()
		if n := strings.Count(replies, "250 2.0.0 Ok: queued as Q"); n > len(mail) {
			t.Errorf("%d times 250, %d messages", n, len(mail))
		}
		for _, m := range mail {
			if m.raw != repaired(m.raw) || !validSender(m.From) || len(m.Rcpt) == 0 {
				t.Errorf("the Handler got %+v", m)
			}
			for _, to := range m.Rcpt {
				if err := CheckAddress(to, m.UTF8); err != nil {
					t.Error(err)
				}
			}
		}
		for _, e := range h.all() {
			if e.Err != nil && strings.Contains(e.Err.Error(), "panic") {
				t.Error(e.Err)
			}
		}
		if used := h.memory.used; used != 0 {
			t.Errorf("%d bytes of memory used", used)
		}
	})
}

// validSender reports whether a sender is what cleanSender returns.
func validSender(from string) bool {
	clean, err := cleanSender(from)
	return err == nil && clean == from && utf8.ValidString(from)
}

// clientSide returns what the client sends in a dialogue.
func clientSide(t testing.TB, script string) []byte {
	var sent []byte
	for line := range strings.Lines(script) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case kind == "C" && !strings.HasPrefix(rest, "<"):
			sent = append(sent, rest+"\r\n"...)
		case strings.HasPrefix(kind, "R"):
			sent = append(sent, unquoted(t, kind, rest)...)
		}
	}
	return sent
}
