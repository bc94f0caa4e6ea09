package smtpd

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// Certificate is a certificate with its key in two PEM files, which are read again
// when they have changed. Its Get is for tls.Config.GetCertificate.
type Certificate struct {
	files  [2]string // certificate, key
	failed func(error)

	mu      sync.Mutex
	seen    [2]fs.FileInfo // as they were when current was read, or could not be
	current *tls.Certificate
}

// LoadCertificate reads a certificate with the certificates that lead to it, and its
// key. failed is told, once for each change, when the files cannot be read later; the
// certificate that was read last is served then.
func LoadCertificate(certificate, key string, failed func(error)) (*Certificate, error) {
	c := &Certificate{files: [2]string{certificate, key}, failed: failed}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Get gives the certificate. Many handshakes may call it at once.
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

// changed says whether one of the files is not what it was. A file that is gone for
// the moment is about to be replaced.
func (c *Certificate) changed() bool {
	for i, name := range c.files {
		info, err := os.Stat(name)
		if err != nil {
			return false
		}
		was := c.seen[i]
		if was == nil || !os.SameFile(was, info) || !was.ModTime().Equal(info.ModTime()) || was.Size() != info.Size() {
			return true
		}
	}
	return false
}

// load reads the files. How they were is looked at first: what changes while they
// are read is read again.
func (c *Certificate) load() error {
	for i, name := range c.files {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("the TLS certificate: %w", err)
		}
		c.seen[i] = info
	}
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return fmt.Errorf("the TLS certificate in %s with the key in %s: %w", c.files[0], c.files[1], err)
	}
	c.current = &pair
	return nil
}
