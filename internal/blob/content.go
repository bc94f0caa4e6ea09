package blob

import (
	"context"
	"fmt"
	"io"
)

// content reads what Put was given to store: exactly size octets, or an error. It remembers the error, so that
// a fault of the content is not taken for one of the store.
type content struct {
	ctx    context.Context
	reader io.Reader
	size   int64
	read   int64
	err    error
}

// Read reads the content until its end, which it reports as io.EOF only if the size is right, or until ctx ends.
func (c *content) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if err := c.ctx.Err(); err != nil {
		c.err = err
		return 0, err
	}
	n, err := c.reader.Read(p)
	c.read += int64(n)
	switch {
	case c.read > c.size:
		c.err = fmt.Errorf("%w: it has more than %d octets", ErrContent, c.size)
	case err == io.EOF && c.read < c.size:
		c.err = fmt.Errorf("%w: it has %d octets, not %d", ErrContent, c.read, c.size)
	case err == io.EOF:
		return n, err
	case err != nil:
		c.err = fmt.Errorf("read the content: %w", err)
	}
	return n, c.err
}
