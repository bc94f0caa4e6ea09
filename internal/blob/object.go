package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Open requests the whole object, as most readers want it.
func (b *bucket) Open(ctx context.Context, key string) (Object, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	resp, err := b.get(ctx, key, "", 0)
	if err != nil {
		return nil, err
	}
	err = checkSource(resp)
	if err == nil && resp.ContentLength < 0 {
		err = fmt.Errorf("%w: the response has no length", ErrUnavailable)
	}
	if err != nil {
		_ = resp.Body.Close()
		return nil, wrap("read "+key, err)
	}
	return &remote{
		ctx: ctx, bucket: b, key: key, size: resp.ContentLength, etag: resp.Header.Get("ETag"), body: resp.Body,
	}, nil
}

// remote is an object in a bucket. It requests what is read, from the offset to the end, and goes on with the
// response until it is read at another offset.
type remote struct {
	ctx    context.Context
	bucket *bucket
	key    string
	size   int64
	etag   string
	offset int64         // of the next octet that is read
	body   io.ReadCloser // of the last response, nil before and after it
	at     int64         // the offset of body
}

// Size is the length in octets.
func (r *remote) Size() int64 { return r.size }

// Read reads octets at the offset.
func (r *remote) Read(p []byte) (int, error) {
	if r.offset >= r.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.locate(); err != nil {
		return 0, err
	}
	n, err := r.body.Read(p)
	r.offset += int64(n)
	r.at = r.offset
	if r.offset == r.size || err == nil {
		return n, nil
	}
	_ = r.Close()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, wrap("read "+r.key, unavailable(r.ctx, err))
}

// locate makes sure that the body is at the offset.
func (r *remote) locate() error {
	if r.body != nil && r.at == r.offset {
		return nil
	}
	if err := r.Close(); err != nil {
		return wrap("read "+r.key, unavailable(r.ctx, err))
	}
	resp, err := r.bucket.get(r.ctx, r.key, r.etag, r.offset)
	if err != nil {
		return err
	}
	if err := r.check(resp); err != nil {
		_ = resp.Body.Close()
		return err
	}
	r.body, r.at = resp.Body, r.offset
	return nil
}

// check returns an error for a response that is not the rest of the object.
func (r *remote) check(resp *http.Response) error {
	partial := resp.StatusCode == http.StatusPartialContent &&
		strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/", r.offset, r.size-1))
	if resp.ContentLength != r.size-r.offset || r.offset > 0 && !partial {
		return fmt.Errorf("%w: read %s from octet %d: the response is not the rest of the object",
			ErrUnavailable, r.key, r.offset)
	}
	return nil
}

// Seek sets the offset, and requests nothing.
func (r *remote) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of an object")
	}
	r.offset = offset
	return offset, nil
}

// Close ends the response that is being read.
func (r *remote) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}
