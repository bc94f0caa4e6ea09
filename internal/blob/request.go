package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	attempts  = 3                      // of a request that may succeed later
	firstWait = 200 * time.Millisecond // before the second attempt, at most; doubled for each further one
	maxList   = 4 << 20                // octets of a page of a list that are read
	maxError  = 64 << 10               // octets of any other response without an object that are read
)

// empty is the SHA-256 of nothing.
var empty = hex.EncodeToString(sha256.New().Sum(nil))

// request returns a request about an object, or about the bucket if name is empty.
func (b *bucket) request(ctx context.Context, method, name string, query url.Values) *http.Request {
	u := *b.root
	u.Path += name
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // as it is signed
	return (&http.Request{Method: method, URL: &u, Header: http.Header{}}).WithContext(ctx)
}

// send signs and sends a request. It returns a response of success, or an error, and whether the same request
// may succeed later. Redirects are not followed.
func (b *bucket) send(req *http.Request, digest string) (resp *http.Response, again bool, err error) {
	s := signer{region: b.region, accessKey: b.accessKey(), secretKey: b.secretKey()}
	s.sign(req, digest, b.now())
	resp, err = b.transport.RoundTrip(req)
	if err != nil {
		return nil, true, unavailable(req.Context(), err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, false, nil
	}
	defer resp.Body.Close()
	return nil, resp.StatusCode/100 == 5 || resp.StatusCode == http.StatusTooManyRequests, refusal(resp)
}

// wrap says what failed.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// unavailable is an error of the network, or of the context that ended it.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// refusal is the error that a response means. Of its text only the code is taken, as the rest can contain what
// was signed.
func refusal(resp *http.Response) error {
	var answer struct{ Code string }
	if resp.StatusCode >= 200 { // the body of 101 is the connection
		_ = xml.NewDecoder(io.LimitReader(resp.Body, maxError)).Decode(&answer) // a proxy answers otherwise
	}
	kind := ErrUnavailable
	switch {
	case answer.Code == "NoSuchKey":
		kind = ErrNotFound
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		kind = ErrDenied
	case resp.StatusCode == http.StatusInsufficientStorage:
		kind = ErrFull
	case resp.StatusCode/100 == 3:
		return fmt.Errorf("%w: status %d %.60q: redirects are not followed: correct the region or the endpoint",
			kind, resp.StatusCode, answer.Code)
	}
	return fmt.Errorf("%w: status %d %.60q", kind, resp.StatusCode, answer.Code)
}

// retry calls try until it succeeds, or does not ask to be called again, or has been called often enough.
func retry(ctx context.Context, try func() (again bool, err error)) error {
	wait := firstWait
	for range attempts - 1 {
		again, err := try()
		if err == nil || !again {
			return err
		}
		select {
		case <-time.After(rand.N(wait) + 1):
		case <-ctx.Done():
			return ctx.Err()
		}
		wait *= 2
	}
	_, err := try()
	return err
}

// finish reads the rest of a response, so that its connection can be used again, and closes it.
func finish(resp *http.Response) error {
	_, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxError))
	return errors.Join(err, resp.Body.Close())
}
