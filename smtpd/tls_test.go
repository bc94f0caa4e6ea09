package smtpd

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writeCertificate makes a certificate for name, as two PEM files in dir.
func writeCertificate(t testing.TB, dir, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: public},
		key:         {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func tlsConfig(t testing.TB) *tls.Config {
	t.Helper()
	certificate, key := writeCertificate(t, t.TempDir(), "relay.test")
	c, err := LoadCertificate(certificate, key, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{GetCertificate: c.Get}
}

// openTLS starts a server with TLS on a free loopback port.
func openTLS(t testing.TB, implicit bool, s Settings, handler *recorder) *house {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := Access{Name: "listeners[0]", Allow: loopback, TLS: tlsConfig(t), Implicit: implicit}
	return openOn(t, l, a, s, handler)
}

// encrypt makes a TLS handshake and reports whether it succeeded. Data received before it is
// discarded, as it should be.
func (c *client) encrypt() bool {
	secure := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := secure.Handshake(); err != nil {
		return false
	}
	c.Conn, c.in = secure, bufio.NewReader(secure)
	return true
}

// startTLS greets and starts TLS.
func (c *client) startTLS() {
	c.Helper()
	c.hello()
	c.say("STARTTLS", "220 ")
	if !c.encrypt() {
		c.Fatal("no TLS")
	}
}

// Plaintext after STARTTLS is never executed, whether it comes with the command or after the
// reply.
func TestSTARTTLSInjection(t *testing.T) {
	h := openTLS(t, false, Settings{}, &recorder{})
	for _, injected := range []string{
		smuggled, "EHLO evil.test\r\n" + smuggled, "RSET\r\n", "\r\n", "x", "MAIL FROM:<evil@app.test>\r\n",
		"RCPT TO:<victim@example.com>\r\n", "DATA\r\nevil\r\n.\r\n", "QUIT\r\n", "STARTTLS\r\n",
	} {
		with := h.dial(t)
		with.hello()
		with.say("STARTTLS\r\n"+strings.TrimSuffix(injected, "\r\n"), "421 4.7.0 ", "<closed>")

		after := h.dial(t)
		after.hello()
		after.say("STARTTLS", "220 ")
		after.put(injected)
		if len(injected) > 4 && after.encrypt() { // enough for a record's header, so the handshake fails
			t.Errorf("%q: TLS over what was injected", injected)
		}
		after.send(smuggled)
		_ = after.Close()
	}
	h.stop(t)
	if m := h.messages(); len(m) != 0 {
		t.Errorf("the Handler got %+v", m)
	}
}

// A replaced certificate is used from the next handshake on; an unreadable one is reported
// once and changes nothing.
func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	var failures []error
	certificate, key := writeCertificate(t, dir, "old.test")
	c, err := LoadCertificate(certificate, key, func(err error) { failures = append(failures, err) })
	if err != nil {
		t.Fatal(err)
	}
	served := func() string {
		got, err := c.Get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.Subject.CommonName
	}
	if got := served(); got != "old.test" {
		t.Errorf("served %s", got)
	}
	writeCertificate(t, dir, "renewed.test")
	if got := served(); got != "renewed.test" {
		t.Errorf("served %s after the files changed", got)
	}
	if err := os.WriteFile(key, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := served() + " " + served()
	if got != "renewed.test renewed.test" || len(failures) != 1 || !strings.Contains(failures[0].Error(), key) {
		t.Errorf("served %s, failures %v", got, failures)
	}
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	if got := served(); got != "renewed.test" || len(failures) != 1 {
		t.Errorf("served %s, failures %v", got, failures)
	}
	if _, err := LoadCertificate(certificate, key, nil); err == nil {
		t.Error("a certificate that is not there was loaded")
	}
}

// A client that makes no handshake is disconnected when the time to greet is over.
func TestSlowHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		h := openOn(t, p, Access{TLS: tlsConfig(t), Implicit: true}, Settings{}, &recorder{})
		start := time.Now()
		p.dial(t).want("<closed>")
		if got := time.Since(start); got != time.Minute || len(h.all()) != 1 {
			t.Errorf("cut after %v, want a minute; logged %+v", got, h.all())
		}
	})
}

// TLS 1.1 is refused by default.
func TestOldTLS(t *testing.T) {
	h := openTLS(t, true, Settings{}, &recorder{})
	versions := map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true}
	for version, want := range versions {
		config := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
		c, err := tls.Dial("tcp", h.listener.Addr().String(), config)
		if got := err == nil; got != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = c.Close()
		}
	}
}

// The server can end connections over TLS while they are idle, in the handshake, or sending a
// message.
func TestTLSShutdown(t *testing.T) {
	h := openTLS(t, false, Settings{}, &recorder{})
	idle, sending, shaking := h.dial(t), h.dial(t), h.dial(t)
	idle.startTLS()
	idle.hi()
	sending.startTLS()
	sending.hi()
	sending.data()
	shaking.hello()
	shaking.say("STARTTLS", "220 ")
	var stopping sync.WaitGroup
	stopping.Go(func() { h.stop(t) })
	for _, c := range []*client{idle, sending} {
		c.want("421 4.3.2 ", "<closed>")
	}
	shaking.want("<closed>")
	stopping.Wait()
}

// hi greets within TLS.
func (c *client) hi() {
	c.Helper()
	c.say("HELO app.test", "250 ")
}

// A connection too many gets its 421 within TLS, and is closed soon.
func TestTLSRefusal(t *testing.T) {
	h := openTLS(t, true, Settings{Limits: Limits{Connections: 1}}, &recorder{})
	first, second, silent := h.dial(t), h.dial(t), h.dial(t)
	if !first.encrypt() {
		t.Fatal("no TLS")
	}
	first.hello()
	if !second.encrypt() {
		t.Fatal("no TLS")
	}
	second.want("421 4.7.0 Too many connections (1), try again later", "<closed>")
	start := time.Now()
	silent.want("<closed>")
	if got := time.Since(start); got > 5*lastReplyTimeout {
		t.Errorf("cut after %v", got)
	}
}
