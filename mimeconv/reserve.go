package mimeconv

// reserve calls Options.Reserve for n octets that are made. If it is false, there is no
// room for them, and the conversion ends with c.exhausted.
func (c *converter) reserve(n int) bool {
	if c.exhausted == nil && c.options.Reserve != nil {
		c.exhausted = c.options.Reserve(int64(n))
	}
	return c.exhausted == nil
}

// decodedSize returns at most how many octets decode makes of a part, 0 if its content is used
// as it is.
func (p *part) decodedSize() int {
	switch encodingName(p.encoding) {
	case "", "7bit", "8bit", "binary":
		return 0
	}
	return len(p.raw)
}

// writeHTML converts plain text to HTML of little more than maxBody octets.
func (c *converter) writeHTML(text string) string {
	if c.exhausted != nil {
		return ""
	}
	doc := writeHTML(text, c.maxBody)
	c.reserve(len(doc))
	return doc
}
