package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// bucket is a store in a bucket of an S3-compatible store.
type bucket struct {
	root      *url.URL // of the bucket; its path ends in a slash
	prefix    string   // of the names of objects
	region    string
	accessKey func() string
	secretKey func() string
	now       func() time.Time
	pageSize  int // objects of a listing
	transport http.RoundTripper
}

// Put reads the content once for the digest, which the signature covers, so that a store takes nothing that was
// damaged on its way, and once for each attempt.
func (b *bucket) Put(ctx context.Context, key string, size int64, open func() io.Reader) error {
	if err := checkKey(key); err != nil {
		return err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, &content{ctx: ctx, reader: open(), size: size}); err != nil {
		return err
	}
	digest := hex.EncodeToString(hash.Sum(nil))
	return retry(ctx, func() (bool, error) {
		c := &content{ctx: ctx, reader: open(), size: size}
		again, err := b.put(ctx, key, digest, c)
		if c.err != nil {
			return false, c.err
		}
		return again, wrap("store "+key, err)
	})
}

// put sends an object.
func (b *bucket) put(ctx context.Context, key, digest string, c *content) (again bool, err error) {
	req := b.request(ctx, http.MethodPut, b.prefix+key, nil)
	if c.size > 0 { // without a body, the length is sent as 0
		body := &upload{content: c}
		defer body.Close()
		req.Body = body
		req.ContentLength = c.size
	}
	resp, again, err := b.send(req, digest)
	if err != nil {
		return again, err
	}
	if err := finish(resp); err != nil {
		return true, unavailable(ctx, err)
	}
	return false, checkSource(resp)
}

// checkSource returns an error for a response about an object that comes from no store, but from a proxy
// with a page of its own, for example: it has no ETag.
func checkSource(resp *http.Response) error {
	if resp.Header.Get("ETag") == "" {
		return fmt.Errorf("%w: status %d without an ETag is not the reply of a store", ErrUnavailable, resp.StatusCode)
	}
	return nil
}

// upload is the body of a request. A transport may still read it when there is a response: after Close, it
// reads no content.
type upload struct {
	mu      sync.Mutex
	content *content
	closed  bool
}

// Read reads the content.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return 0, fs.ErrClosed
	}
	return u.content.Read(p)
}

// Close ends the use of the content.
func (u *upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	return nil
}

// get requests an object from an offset on.
func (b *bucket) get(ctx context.Context, key, etag string, offset int64) (resp *http.Response, err error) {
	err = retry(ctx, func() (again bool, err error) {
		req := b.request(ctx, http.MethodGet, b.prefix+key, nil)
		if offset > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
			req.Header.Set("If-Match", etag)
		}
		resp, again, err = b.send(req, empty)
		return again, wrap("read "+key, err)
	})
	return resp, err
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	err := retry(ctx, func() (bool, error) {
		resp, again, err := b.send(b.request(ctx, http.MethodDelete, b.prefix+key, nil), empty)
		if err != nil {
			return again, wrap("delete "+key, err)
		}
		return false, resp.Body.Close()
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// listing is a page of objects. What has another root is none, such as an error with the status 200.
type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	NextContinuationToken string
	Contents              []struct {
		Key          string
		Size         int64
		LastModified time.Time
	}
}

func (b *bucket) List(ctx context.Context, each func(Info) error) error {
	token := ""
	for {
		page, err := b.list(ctx, token, b.pageSize)
		if err != nil {
			return err
		}
		for _, c := range page.Contents {
			key := strings.TrimPrefix(c.Key, b.prefix)
			if !isKey(key) {
				continue
			}
			if err := each(Info{Key: key, Size: c.Size, Stored: c.LastModified}); err != nil {
				return err
			}
		}
		if !page.IsTruncated {
			return nil
		}
		if page.NextContinuationToken == "" || page.NextContinuationToken == token {
			return fmt.Errorf("%w: list objects: a listing has no continuation token", ErrUnavailable)
		}
		token = page.NextContinuationToken
	}
}

// list returns a page of at most so many objects, the one at token.
func (b *bucket) list(ctx context.Context, token string, most int) (page listing, err error) {
	query := url.Values{"list-type": {"2"}, "prefix": {b.prefix}, "max-keys": {strconv.Itoa(most)}}
	if token != "" {
		query.Set("continuation-token", token)
	}
	err = retry(ctx, func() (bool, error) {
		resp, again, err := b.send(b.request(ctx, http.MethodGet, "", query), empty)
		if err != nil {
			return again, wrap("list objects", err)
		}
		defer resp.Body.Close()
		page = listing{}
		if err := xml.NewDecoder(io.LimitReader(resp.Body, maxList)).Decode(&page); err != nil {
			return true, wrap("list objects", unavailable(ctx, err))
		}
		return false, nil
	})
	return page, err
}

// Ping lists an object.
func (b *bucket) Ping(ctx context.Context) error {
	_, err := b.list(ctx, "", 1)
	return err
}
