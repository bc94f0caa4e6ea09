package config_test

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"testing"
	"time"

	"heyrelay/internal/config"
)

// TestMinVersion wants a client that only knows TLS 1.0 to be served if min_version
// permits it, with its old ciphers, and not otherwise.
func TestMinVersion(t *testing.T) {
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, certificate, key, time.Now().Add(time.Hour))
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	for minimum, want := range map[string]bool{"1.0": true, "1.1": false, "1.2": false, "1.3": false} {
		set := config.TLS{MinVersion: minimum}
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() {
			served <- tls.Server(far, &tls.Config{
				Certificates: []tls.Certificate{pair},
				MinVersion:   set.Version(),
				CipherSuites: set.CipherSuites(),
			}).Handshake()
			_ = far.Close()
		}()
		err := tls.Client(near, &tls.Config{
			InsecureSkipVerify: true,
			MinVersion:         tls.VersionTLS10,
			MaxVersion:         tls.VersionTLS10,
		}).Handshake()
		_ = near.Close()
		<-served
		if got := err == nil; got != want {
			t.Errorf("min_version %s, TLS 1.0: %v", minimum, err)
		}
	}
}
