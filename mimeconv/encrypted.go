package mimeconv

import "strings"

func errEncrypted() *Error {
	return refuse(ErrEncrypted,
		"the message is encrypted (S/MIME or PGP) and its recipients could not read it: send it unencrypted")
}

// isEncrypted reports whether a leaf is encrypted: by its smime-type parameter (RFC 8551,
// section 3.2.2), else by its content.
func isEncrypted(p *part) bool {
	switch {
	case p.kind == "application/pgp-encrypted": // RFC 3156, section 4
		return true
	case !isCMS(p):
		return false
	}
	switch strings.ToLower(p.params["smime-type"]) {
	case "enveloped-data", "authenveloped-data":
		return true
	}
	data, _ := decodeTransfer(p.raw, p.encoding)
	switch contentType(data) {
	case oidEnveloped, oidEncrypted, oidAuthEnveloped:
		return true
	}
	return false
}

// isArmored reports whether text is an armored PGP message (RFC 9580, section 6.2).
func isArmored(text string) bool {
	return strings.HasPrefix(text, "-----BEGIN PGP MESSAGE-----")
}

// isSignature reports whether a part is a detached signature (RFC 1847, section 2.1).
func isSignature(kind string) bool {
	switch kind {
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature":
		return true
	}
	return false
}
