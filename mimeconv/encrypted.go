package mimeconv

import (
	"bytes"
	"strings"
)

// oidEnveloped is the content type of encrypted CMS, 1.2.840.113549.1.7.3 (RFC
// 5652, section 6.1), in DER.
const oidEnveloped = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"

// maxOIDOffset bounds where that stands in CMS, in octets: behind two lengths.
const maxOIDOffset = 32

func errEncrypted() *Error {
	return refuse(ErrEncrypted, "the message is encrypted (S/MIME or PGP), so nobody could read it: send it unencrypted")
}

// isEncrypted reports whether a leaf is encrypted. RFC 8551, section 3.2.2: the
// parameter smime-type says so; without it, the content does.
func isEncrypted(p *part) bool {
	switch p.kind {
	case "application/pgp-encrypted": // RFC 3156, section 4
		return true
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
	default:
		return false
	}
	switch strings.ToLower(p.params["smime-type"]) {
	case "enveloped-data", "authenveloped-data":
		return true
	case "":
		data, _ := decodeTransfer(p.raw, p.encoding)
		return bytes.Contains(data[:min(len(data), maxOIDOffset+len(oidEnveloped))], []byte(oidEnveloped))
	}
	return false
}

// isArmored reports whether text is one PGP message (RFC 9580, section 6.2).
func isArmored(text string) bool {
	return strings.HasPrefix(text, "-----BEGIN PGP MESSAGE-----")
}

// isSignature reports whether a part is only a signature of another (RFC 1847,
// section 2.1).
func isSignature(kind string) bool {
	switch kind {
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature":
		return true
	}
	return false
}
