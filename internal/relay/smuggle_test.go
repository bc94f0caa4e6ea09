package relay

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
)

// smuggled is a second transaction within the content of a first.
const smuggled = "MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n" +
	"Subject: evil\r\n\r\nevil\r\n.\r\n"

// Messages carry a transaction in their content, with every combination of CR and LF
// around a dot. None of it is executed: the API gets nothing for the victim.
func TestSmuggling(t *testing.T) {
	h := newSmugglers(t)
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("DATA, TLS %v", secure), func(t *testing.T) {
			for _, content := range disguises() {
				c := h.dial(t, secure)
				c.say("MAIL FROM:<app@example.com>\r\n", "250")
				c.say("RCPT TO:<ann@example.com>\r\n", "250")
				c.say("DATA\r\n", "354")
				c.say("Subject: x\r\n\r\n"+content+smuggled, "250 2.0.0 Ok: queued") // its last line ends DATA
				c.end()
			}
		})
		t.Run(fmt.Sprintf("BDAT, TLS %v", secure), func(t *testing.T) {
			for _, content := range disguises() {
				c := h.dial(t, secure)
				c.say("MAIL FROM:<app@example.com>\r\n", "250")
				c.say("RCPT TO:<ann@example.com>\r\n", "250")
				first, last := "Subject: x\r\n\r\n"+content, smuggled
				c.say(fmt.Sprintf("BDAT %d\r\n%s", len(first), first), "250")
				c.say(fmt.Sprintf("BDAT %d LAST\r\n%s", len(last), last), "250 2.0.0 Ok: queued")
				c.end()
			}
		})
	}
	sent := h.stop(t, 4*len(disguises()))
	if want := 4 * len(disguises()); sent["to:ann@example.com"] != want {
		t.Errorf("%d honest messages arrived, want %d", sent["to:ann@example.com"], want)
	}
	delete(sent, "to:ann@example.com")
	if len(sent) > 0 {
		t.Errorf("smuggled: %v", sent)
	}
}

// Commands behind the end of a connection are not executed.
func TestSmugglingBehindTheEnd(t *testing.T) {
	h := newSmugglers(t)
	t.Run("time-out in DATA", func(t *testing.T) {
		c := h.dial(t, false)
		c.say("MAIL FROM:<app@example.com>\r\n", "250")
		c.say("RCPT TO:<ann@example.com>\r\n", "250")
		c.say("DATA\r\n", "354")
		c.say("Subject: late\r\n\r\nlate\r\n", "421") // data_idle is one second
		_, _ = io.WriteString(c.Conn, smuggled)       // the connection is closed
		c.closed()
	})
	t.Run("commands behind STARTTLS", func(t *testing.T) {
		c := h.dial(t, false)
		c.say("STARTTLS\r\n"+smuggled, "421")
		c.closed()
	})
	if sent := h.stop(t, 0); len(sent) > 0 {
		t.Errorf("smuggled: %v", sent)
	}
}

// disguises returns contents with a dot between all sequences of CR and LF of up to
// three characters, except those that end DATA.
func disguises() (all []string) {
	ends := []string{""}
	for n := 0; n < len(ends) && len(ends[n]) < 3; n++ {
		ends = append(ends, ends[n]+"\r", ends[n]+"\n")
	}
	for _, before := range ends {
		for _, after := range ends {
			if s := "hello" + before + "." + after; !strings.Contains(s, "\r\n.\r\n") {
				all = append(all, s)
			}
		}
	}
	return all
}

// smugglers is a running relay with a listener that offers STARTTLS.
type smugglers struct {
	address string
	// stop waits until so many messages were sent, ends the relay, and returns the number of messages by targets.
	stop func(t *testing.T, accepted int) map[string]int
}

func newSmugglers(t *testing.T) *smugglers {
	t.Helper()
	dir := t.TempDir()
	certify(t, dir)
	api := sandbox.New(sandbox.Options{})
	cfg := parse(t, fmt.Sprintf(`
hostname: relay.example.com
listeners: [{address: "127.0.0.1:0", tls: starttls}]
tls: {certificate: %q, key: %q}
limits: {data_idle: 1s}
teams: {shop: {api_key: "${KEY}", rate: 600000/min}}
routes: [{inbox: 202, creator_id: 55}]
`, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")))
	sent := counter{sent: make(chan string, 10_000)}
	g, err := New(cfg, Parts{Store: open(t), Sink: sent, Transport: api, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, g)
	return &smugglers{address: g.Addrs()[0].String(), stop: func(t *testing.T, accepted int) map[string]int {
		all := map[string]int{}
		late := time.After(20 * time.Second)
		for range accepted {
			select {
			case to := <-sent.sent:
				all[to]++
			case <-late:
				t.Fatalf("of %d messages only these arrived: %v", accepted, all)
			}
		}
		stop()
		close(sent.sent)
		for to := range sent.sent {
			all[to]++
		}
		return all
	}}
}

// counter receives to whom something was sent.
type counter struct{ sent chan string }

func (c counter) Record(e events.Event) {
	if e.Kind == events.Sent {
		c.sent <- strings.Join(e.To, " ")
	}
}

func certify(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"relay.example.com"},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// smuggler is a client.
type smuggler struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (h *smugglers) dial(t *testing.T, secure bool) *smuggler {
	t.Helper()
	conn, err := net.Dial("tcp", h.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c := &smuggler{conn, t, bufio.NewReader(conn)}
	c.say("", "220")
	if secure {
		c.say("EHLO app\r\n", "250")
		c.say("STARTTLS\r\n", "220")
		c.Conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the test has just made the certificate
		c.r = bufio.NewReader(c.Conn)
	}
	c.say("EHLO app\r\n", "250")
	return c
}

// say sends text and expects a reply that begins with want.
func (c *smuggler) say(text, want string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatal(err)
	}
	for {
		line, err := c.r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want[:3]) {
			c.t.Fatalf("%q was answered %q (%v), want %s", text, line, err, want)
		}
		if len(line) > 3 && line[3] == ' ' {
			if !strings.HasPrefix(line, want) {
				c.t.Fatalf("%q was answered %q, want %s", text, line, want)
			}
			return
		}
	}
}

// end sends QUIT and expects the end of the connection.
func (c *smuggler) end() {
	c.t.Helper()
	c.say("QUIT\r\n", "221")
	c.closed()
}

// closed expects the end of the connection.
func (c *smuggler) closed() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); len(rest) > 0 {
		c.t.Errorf("%q came after the end (%v)", rest, err)
	}
	_ = c.Close() // the server has closed it
}
