package config

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Version is MinVersion as crypto/tls has it.
func (t TLS) Version() uint16 {
	return map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[t.MinVersion]
}

// CipherSuites are those that clients may choose from; nil stands for Go's own
// choice. Who needs an old version needs the old key exchange too.
func (t TLS) CipherSuites() []uint16 {
	if t.Version() >= tls.VersionTLS12 {
		return nil
	}
	var ids []uint16
	for _, s := range tls.CipherSuites() {
		ids = append(ids, s.ID)
	}
	return append(ids, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA)
}

// encrypts reports whether a listener has TLS.
func (l *loader) encrypts() bool {
	return slices.ContainsFunc(l.config.Listeners, func(l Listener) bool { return l.TLS == TLSStart || l.TLS == TLSImplicit })
}

// validateTLS checks that there is a certificate where one is needed.
func (l *loader) validateTLS() {
	t := l.config.TLS
	const advice = "name the PEM file; heyrelay cert makes one to begin with"
	switch {
	case t.Certificate == "" && (t.Key != "" || l.encrypts()):
		l.add("tls.certificate", "there is no tls.certificate", advice)
	case t.Key == "" && t.Certificate != "":
		l.add("tls.key", "there is no tls.key", advice)
	case t.Certificate != "":
		if _, err := tls.LoadX509KeyPair(t.Certificate, t.Key); err != nil {
			l.add("tls.certificate", "the certificate and its key cannot be used: "+err.Error(), "name PEM files that belong together and that this user can read")
		}
	}
}

func (l *loader) warnTLS() {
	t := l.config.TLS
	if t.Certificate == "" {
		return
	}
	if !l.encrypts() {
		l.advise("tls", "no listener uses the certificate", "give one of them tls: starttls or implicit")
	}
	if t.Version() < tls.VersionTLS12 {
		l.advise("tls.min_version", "TLS "+t.MinVersion+" is broken: what it encrypts can be read and changed by others", "keep 1.2, and give old clients a listener of their own on a network you trust")
	}
	if info, err := os.Stat(t.Key); err == nil && info.Mode().Perm()&0o004 != 0 {
		l.advise("tls.key", "everybody on this machine can read "+filepath.Base(t.Key), "take that right away (chmod o-r)")
	}
	pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return
	}
	if end := pair.Leaf.NotAfter; time.Until(end) < renewal {
		l.advise("tls.certificate", fmt.Sprintf("the certificate ends on %s", end.UTC().Format(time.DateOnly)), "renew it")
	}
}

// renewal is how long before its end a certificate is warned of.
const renewal = 14 * 24 * time.Hour
