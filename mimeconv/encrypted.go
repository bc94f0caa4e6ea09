package mimeconv

import "strings"

func errEncrypted() *Error {
	return refuse(ErrEncrypted,
		"the message is encrypted (S/MIME or PGP) and its recipients could not read it: send it unencrypted")
}

// The methods of encryption, as notes name them.
const (
	smime = "S/MIME"
	pgp   = "PGP"
)

// encryption returns the method by which a part is encrypted, "" if it is not: a
// multipart/encrypted (RFC 1847, section 2.2), or a leaf of CMS by its smime-type parameter (RFC
// 8551, section 3.2.2), else by its content.
func encryption(p *part) string {
	switch {
	case p.kind == "multipart/encrypted" && strings.Contains(strings.ToLower(p.params["protocol"]), "pgp"):
		return pgp
	case p.kind == "multipart/encrypted":
		return "multipart/encrypted"
	case p.kind == "application/pgp-encrypted": // RFC 3156, section 4
		return pgp
	case !isCMS(p):
		return ""
	}
	switch strings.ToLower(p.params["smime-type"]) {
	case "enveloped-data", "authenveloped-data":
		return smime
	}
	data, _ := decodeTransfer(p.raw, p.encoding)
	switch contentType(data) {
	case oidEnveloped, oidEncrypted, oidAuthEnveloped:
		return smime
	}
	return ""
}

// isCiphertext reports whether a part belongs to the PGP/MIME control part before it, after a
// program has changed the multipart/encrypted around both to another type.
func isCiphertext(previous, p *part) bool {
	return previous.kind == "application/pgp-encrypted" && p.kind == "application/octet-stream"
}

// encryptedPart returns the note for an encrypted part. Whether anything beside it can be read is
// known at the end of the conversion.
func (c *converter) encryptedPart(p *part, method string) content {
	c.hasEncrypted = true
	c.warn(EncryptedDropped, p.id, "encrypted part dropped: %s", method)
	return content{sections: []section{{text: encryptedNote(p, method), isNote: true}}}
}

// encryptedNote returns the line that stands for an encrypted part.
func encryptedNote(p *part, method string) string {
	what := "A part of this message"
	if strings.HasSuffix(p.id, "/0") {
		what = "The message"
	}
	return "[" + what + " is encrypted (" + method + ") and cannot be shown]"
}

// isUnreadable reports whether a message consists of encrypted parts.
func (c *converter) isUnreadable(all content) bool {
	return c.hasEncrypted && !c.hasBody && len(c.invited) == 0 && len(all.files) == 0
}

// The lines around an armored PGP message (RFC 9580, section 6.2).
const (
	beginArmor = "-----BEGIN PGP MESSAGE-----"
	endArmor   = "-----END PGP MESSAGE-----"
)

// cutArmor splits a text that starts with an armored PGP message after it. ok is false if the text
// starts with anything else.
func cutArmor(text string) (rest string, ok bool) {
	if !strings.HasPrefix(text, beginArmor) {
		return text, false
	}
	_, rest, _ = strings.Cut(text, "\n"+endArmor)
	_, rest, _ = strings.Cut(rest, "\n")
	return trimBlankLines(rest), true
}

// isSignature reports whether a part is a detached signature (RFC 1847, section 2.1). Some gateways
// change the media type and keep only the file name.
func isSignature(p *part) bool {
	switch p.kind {
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature":
		return true
	case "application/octet-stream":
		return strings.HasSuffix(strings.ToLower(p.name), ".p7s")
	}
	return false
}
