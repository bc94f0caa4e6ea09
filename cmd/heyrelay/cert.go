package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

type certCmd struct {
	Names []string `arg:"" optional:"" name:"name" help:"Names and addresses of the server (this host, localhost)."`
	Dir   string   `type:"path" default:"." placeholder:"DIRECTORY" help:"Where to write the files (${default})."`
	Days  int      `default:"825" help:"Days of validity (${default})."`
	RSA   bool     `help:"Create an RSA key, for clients without elliptic curves."`
}

// Run writes cert.pem and key.pem. Existing files are kept.
func (c certCmd) Run(p *program) error {
	if len(c.Names) == 0 {
		c.Names = []string{"localhost"}
		if name, err := os.Hostname(); err == nil && name != "localhost" {
			c.Names = []string{name, "localhost"}
		}
	}
	key, err := c.key()
	if err != nil {
		return err
	}
	certificate, err := c.sign(key, time.Now())
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	keyFile := filepath.Join(c.Dir, "key.pem")
	certFile := filepath.Join(c.Dir, "cert.pem")
	if err := writeNew(keyFile, 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: encoded}); err != nil {
		return err
	}
	if err := writeNew(certFile, 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: certificate}); err != nil {
		return errors.Join(err, os.Remove(keyFile))
	}
	_, err = fmt.Fprintf(p.stdout, certText, certFile, keyFile, sha256.Sum256(certificate))
	return err
}

const certText = `tls: {certificate: %q, key: %q}

# Configure clients to trust this certificate, or not to verify it.
# SHA-256: %x
`

func (c certCmd) key() (crypto.Signer, error) {
	if c.RSA {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// sign returns the certificate, signed with its own key (RFC 5280, section 3.2).
func (c certCmd) sign(key crypto.Signer, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	begins := now.Add(-time.Hour) // clocks differ
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: c.Names[0]},
		NotBefore:    begins,
		NotAfter:     begins.AddDate(0, 0, c.Days),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range c.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if c.RSA {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment // RSA key exchange, up to TLS 1.2
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

// writeNew writes a PEM file that must not exist.
func writeNew(path string, mode fs.FileMode, block *pem.Block) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists; move it away, or name another directory with --dir", path)
	}
	if err != nil {
		return notCreated(err)
	}
	return errors.Join(pem.Encode(f, block), f.Close())
}
