package config

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"heyrelay/internal/strictyaml"
)

// TLS is the certificate of listeners with TLS.
type TLS struct {
	// The PEM file with the certificate, followed by its intermediate certificates. A
	// relative path is resolved against the directory of this file. It is read again when
	// it changes.
	Certificate string `yaml:"certificate" example:"cert.pem"`

	// The PEM file with the certificate's private key, readable by this service only.
	// It is read again when it changes.
	Key string `yaml:"key" example:"key.pem"`

	// The oldest version of TLS that clients may use. 1.0 and 1.1 are insecure and also
	// enable old ciphers; allow them only for devices that support nothing newer.
	MinVersion string `yaml:"min_version" default:"1.2" oneof:"1.0|1.1|1.2|1.3"`
}

// versions are the choices of tls.min_version.
var versions = map[string]uint16{
	"1.0": tls.VersionTLS10,
	"1.1": tls.VersionTLS11,
	"1.2": tls.VersionTLS12,
	"1.3": tls.VersionTLS13,
}

// Version returns MinVersion as a constant of crypto/tls.
func (t TLS) Version() uint16 { return versions[t.MinVersion] }

// CipherSuites returns those that clients may choose from; nil means Go's own
// choice. Clients that need an old version also need the old key exchange.
func (t TLS) CipherSuites() []uint16 {
	if t.Version() >= tls.VersionTLS12 {
		return nil
	}
	var ids []uint16
	for _, s := range tls.CipherSuites() {
		ids = append(ids, s.ID)
	}
	old := []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}
	return append(ids, old...)
}

// encrypts reports whether a listener has TLS.
func (l *loader) encrypts() bool {
	encrypted := func(l Listener) bool { return l.TLS == TLSStart || l.TLS == TLSImplicit }
	return l.config.Console.TLS == TLSImplicit || l.config.Blobs.TLS == TLSImplicit ||
		slices.ContainsFunc(l.config.Listeners, encrypted)
}

// validateTLS checks that there is a certificate if one is needed.
func (l *loader) validateTLS() {
	t := l.config.TLS
	const advice = "name the PEM file; heyrelay cert creates a self-signed one"
	switch {
	case t.Certificate == "" && (t.Key != "" || l.encrypts()):
		l.doc.Reject("tls.certificate", l.doc.Key("tls.certificate")+" is missing", advice)
	case t.Key == "" && t.Certificate != "":
		l.doc.Reject("tls.key", l.doc.Key("tls.key")+" is missing", advice)
	case t.Certificate != "":
		if _, err := tls.LoadX509KeyPair(t.Certificate, t.Key); err != nil {
			file := t.Certificate
			if unread := (*fs.PathError)(nil); errors.As(err, &unread) {
				file = unread.Path
			}
			l.doc.RejectFile("tls.certificate", file, err, "cannot use the certificate with its key: "+err.Error(),
				"name PEM files that belong together and that this user can read")
		}
	}
}

func (l *loader) warnTLS() {
	t := l.config.TLS
	if t.Certificate == "" {
		return
	}
	if !l.encrypts() {
		l.doc.Warn("tls", "no listener uses the certificate", "set "+l.doc.Key("listeners[0].tls")+" to starttls or implicit")
	}
	if t.Version() < tls.VersionTLS12 {
		l.doc.Warn("tls.min_version", "TLS "+t.MinVersion+" is insecure: others can read and change what it encrypts",
			"keep 1.2, and give old clients a listener of their own on a network you trust")
	}
	if info, err := os.Stat(t.Key); err == nil && info.Mode().Perm()&0o004 != 0 {
		l.doc.Warn("tls.key", "every user of this machine can read "+filepath.Base(t.Key), strictyaml.RemovePermission)
	}
	pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return
	}
	if end := pair.Leaf.NotAfter; time.Until(end) < renewal {
		l.doc.Warn("tls.certificate", "the certificate expires on "+end.UTC().Format(time.DateOnly), "renew it")
	}
}

// renewal is how long before a certificate expires the warning begins.
const renewal = 14 * 24 * time.Hour
