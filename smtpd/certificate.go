package smtpd

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// Certificate is a certificate with its key in two PEM files, which are read again when they
// change. Its Get is for tls.Config.GetCertificate.
type Certificate struct {
	files  [2]string // certificate, key
	failed func(error)

	mu      sync.Mutex
	seen    [2]fs.FileInfo // when current was read, or last failed to be
	current *tls.Certificate
}

// LoadCertificate reads a certificate chain and its key. failed is called, once for each
// change, when the files cannot be read later; the last certificate remains in use.
func LoadCertificate(certificate, key string, failed func(error)) (*Certificate, error) {
	c := &Certificate{files: [2]string{certificate, key}, failed: failed}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Get returns the certificate. It may be called concurrently.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed() {
		if err := c.load(); err != nil {
			c.failed(err)
		}
	}
	return c.current, nil
}

// changed reports whether one of the files has changed. A file that is missing is about to be
// replaced.
func (c *Certificate) changed() bool {
	for i, name := range c.files {
		info, err := os.Stat(name)
		if err != nil {
			return false
		}
		was := c.seen[i]
		if was == nil || !os.SameFile(was, info) {
			return true
		}
		if !was.ModTime().Equal(info.ModTime()) || was.Size() != info.Size() {
			return true
		}
	}
	return false
}

// load reads the files. It stats them first, so that a change during the reading is noticed.
func (c *Certificate) load() error {
	for i, name := range c.files {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("TLS certificate: %w", err)
		}
		c.seen[i] = info
	}
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return fmt.Errorf("TLS certificate %s with key %s: %w", c.files[0], c.files[1], err)
	}
	c.current = &pair
	return nil
}
