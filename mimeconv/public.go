package mimeconv

// Public returns a message without the header fields that nobody may see: Bcc and Resent-Bcc,
// damaged ones too, and X-Heymarket-*. Everything else is as it was, octet by octet. raw is only
// read, and the result does not alias it.
func Public(raw []byte) []byte {
	public := make([]byte, 0, len(raw))
	hidden := false
	isTrace := true // nothing but Received precedes
	for pos := 0; pos < len(raw); {
		line := readHeaderLine(raw, pos)
		if len(line.text) == 0 {
			empty := 0
			if isTrace {
				empty = prologue(raw[pos:])
			}
			if empty == 0 {
				return append(public, raw[pos:]...)
			}
			public = append(public, raw[pos:pos+empty]...)
			pos += empty
			continue
		}
		name := fieldName(line.text)
		if line.isField() || line.isHidden {
			hidden = line.isHidden || isSecretField(name)
			isTrace = isTrace && name == "received"
		}
		if !hidden {
			public = append(public, raw[pos:line.next]...)
		}
		pos = line.next
	}
	return public
}
