package smarthost_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"heyrelay/internal/smarthost/smarthosttest"
)

// Off this machine, a password is sent only under TLS and to a server whose
// certificate is trusted; mail without a login is encrypted where it can be.
func TestEncryption(t *testing.T) {
	secure, trusted := certificate(t, "mail.example.com")
	for _, c := range []struct {
		name                             string
		tls, implicit, login, far, trust bool
		sent, encrypted                  bool
	}{
		{name: "plain", far: true, sent: true},
		{name: "starttls", tls: true, far: true, sent: true, encrypted: true},
		{name: "starttls here", tls: true, sent: true, encrypted: true},
		{name: "login in the open here", login: true, sent: true},
		{name: "login in the open", login: true, far: true},
		{name: "login to an untrusted server", tls: true, login: true, far: true},
		{name: "login", tls: true, login: true, far: true, trust: true, sent: true, encrypted: true},
		{name: "smtps to an untrusted server", tls: true, implicit: true, far: true},
		{name: "smtps", tls: true, implicit: true, login: true, far: true, trust: true, sent: true, encrypted: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := smarthosttest.Serve(t, func(s *smarthosttest.Server) {
				if c.tls && !c.implicit {
					s.TLSConfig = secure
				}
				if c.login {
					s.Login = []string{"PLAIN"}
				}
			})
			host := to(s)
			host.Address = "mail.example.com:587"
			host.Implicit = c.implicit
			if c.login {
				host.User = "heyrelay"
				host.Password = func() string { return "sesame" }
			}
			if c.trust {
				host.Roots = trusted
			}
			host.Dial = dial(t, s.Address, c.far, c.implicit, secure)
			_, err := send(t, host, hello)
			all := s.Taken()
			if c.sent != (err == nil) || c.sent != (len(all) == 1) || refused(err) || denied(err) == c.sent {
				t.Fatalf("%d messages, %v", len(all), err)
			}
			if c.sent && (all[0].Secure != c.encrypted && !c.implicit || c.login && all[0].User != "PLAIN heyrelay") {
				t.Errorf("%+v", all[0])
			}
			if c.sent && all[0].Hello != "relay.example.com" {
				t.Errorf("EHLO %s", all[0].Hello)
			}
		})
	}
}

// An old or broken TLS is better than none, and none better than no mail, but not for a password.
func TestWeakEncryption(t *testing.T) {
	old, trusted := certificate(t, "mail.example.com")
	old.MaxVersion = tls.VersionTLS10
	broken := new(tls.Config) // without a certificate, every handshake fails
	for _, c := range []struct {
		name            string
		tls             *tls.Config
		login, far      bool
		sent, encrypted bool
	}{
		{name: "old", tls: old, far: true, sent: true, encrypted: true},
		{name: "broken", tls: broken, far: true, sent: true},
		{name: "login, old", tls: old, login: true, far: true},
		{name: "login, broken", tls: broken, login: true, far: true},
		{name: "login here, old", tls: old, login: true, sent: true, encrypted: true},
		{name: "login here, broken", tls: broken, login: true, sent: true},
	} {
		s := smarthosttest.Serve(t, func(s *smarthosttest.Server) {
			s.TLSConfig = c.tls.Clone()
			s.TLSConfig.MinVersion = tls.VersionTLS10
			if c.login {
				s.Login = []string{"PLAIN"}
			}
		})
		host := to(s)
		host.Address = "mail.example.com:587"
		host.Roots = trusted
		if c.login {
			host.User = "heyrelay"
			host.Password = func() string { return "sesame" }
		}
		host.Dial = dial(t, s.Address, c.far, false, nil)
		_, err := send(t, host, hello)
		all := s.Taken()
		switch {
		case c.sent && (err != nil || len(all) != 1 || all[0].Secure != c.encrypted):
			t.Errorf("%s: %+v, %v", c.name, all, err)
		case !c.sent && (err == nil || len(all) > 0 || !strings.Contains(err.Error(), "STARTTLS: ")):
			t.Errorf("%s: %+v, %v", c.name, all, err)
		}
	}
}

// Where TLS fails, and the server takes no mail or login without it, TLS may work at the next attempt: the mail
// is not refused, and nobody needs to correct the login.
func TestNothingInPlaintext(t *testing.T) {
	for name, change := range map[string]func(*smarthosttest.Server){
		"mail":  smarthosttest.Refusing("MAIL", 530, "Must issue a STARTTLS command first"),
		"login": func(s *smarthosttest.Server) { s.Login = []string{"CRAM-MD5"} }, // no PLAIN
	} {
		s := smarthosttest.Serve(t, func(s *smarthosttest.Server) {
			change(s)
			s.TLSConfig = new(tls.Config) // without a certificate, every handshake fails
		})
		host := to(s)
		if len(s.Login) > 0 {
			host.User = "heyrelay"
			host.Password = func() string { return "sesame" }
		}
		_, err := send(t, host, hello)
		if err == nil || refused(err) || denied(err) || !strings.Contains(err.Error(), "STARTTLS: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLogin(t *testing.T) {
	for _, c := range []struct {
		mechanisms []string
		password   string
		as         string // "" where nothing is sent
	}{
		{[]string{"PLAIN", "LOGIN"}, "sesame", "PLAIN heyrelay"},
		{[]string{"LOGIN"}, "sesame", "LOGIN heyrelay"},
		{[]string{"LOGIN"}, "wrong", ""},
		{[]string{"PLAIN"}, "wrong", ""},
		{[]string{"CRAM-MD5"}, "sesame", ""},
	} {
		s := smarthosttest.Serve(t, func(s *smarthosttest.Server) { s.Login = c.mechanisms })
		host := to(s)
		host.User = "heyrelay"
		host.Password = func() string { return c.password }
		_, err := send(t, host, hello)
		all := s.Taken()
		switch {
		case c.as != "" && (len(all) != 1 || all[0].User != c.as):
			t.Errorf("%+v: %+v, %v", c, all, err)
		case c.as == "" && (len(all) > 0 || !denied(err) || refused(err) || strings.Contains(err.Error(), c.password)):
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// certificate makes one that is its own authority.
func certificate(t *testing.T, name string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		DNSNames:              []string{name},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}, pool
}

// far is a connection to another machine.
type far struct{ net.Conn }

// RemoteAddr implements net.Conn.
func (far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 587} }

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// dial connects to the server at address, through something that removes the TLS
// where it is implicit.
func dial(t *testing.T, address string, away, implicit bool, secure *tls.Config) dialer {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if implicit {
			conn = through(t, conn, secure)
		}
		if away {
			conn = far{conn}
		}
		return conn, nil
	}
}

// through gives a client's end of a connection whose TLS ends before conn.
func through(t *testing.T, conn net.Conn, secure *tls.Config) net.Conn {
	client, end := net.Pipe()
	inner := tls.Server(end, secure)
	var copies sync.WaitGroup
	copies.Go(func() { _, _ = io.Copy(conn, inner); _ = conn.Close() })
	copies.Go(func() { _, _ = io.Copy(inner, conn); _ = end.Close() })
	t.Cleanup(copies.Wait)
	return client
}

// talker is a connection whose other side sends a greeting of lines without end.
type talker struct {
	net.Conn
	left int
}

// Read implements net.Conn.
func (c *talker) Read(p []byte) (int, error) {
	const line = "220-hello\r\n"
	if c.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n+len(line) <= len(p) {
		n += copy(p[n:], line)
	}
	c.left -= n
	return n, nil
}
