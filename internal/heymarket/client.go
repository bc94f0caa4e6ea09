package heymarket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"heyrelay/internal/loopback"
)

const (
	apiURL         = "https://api.heymarket.com"
	defaultTimeout = 30 * time.Second
	defaultAgent   = "heyrelay"
)

// Options configures a Client. It prints without its secrets.
type Options struct {
	BaseURL   string            // https, or http to a loopback host; "" for https://api.heymarket.com
	AllowHTTP bool              // permits http to any host, for a sandbox
	Secrets   []Secret          // up to two, tried in order
	APIKey    string            `json:"-"` // legacy, tried after the secrets
	Timeout   time.Duration     // of one HTTP exchange; 0 for 30 s
	Transport http.RoundTripper // shared, owned by the caller; nil for a NewTransport of its own
	Now       func() time.Time  // nil for time.Now
	UserAgent string            // "" for heyrelay

	// Source returns the credentials as they are now: from files that have changed,
	// for example. It is called by Reload and after a 401, one call at a time, and its
	// errors must hold no secret. nil: the credentials never change.
	Source func() (Credentials, error) `json:"-"`
}

// Format prints o without keys, for every verb.
func (o Options) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{%s %v api_key=%t %v %s}", o.BaseURL, o.Secrets, o.APIKey != "", o.Timeout, o.UserAgent)
}

// Client makes the calls of one team. It is safe for concurrent use.
//
// A 401 proves that the call did nothing. The client therefore repeats it with a
// fresh token, if the refused one came from the cache, and then with the next
// credential. A credential that works is tried first from then on. When all are
// refused, the client asks Options.Source for the current ones and, if they
// changed, tries those. One call is up to five requests (two secrets and a key),
// twice that after a rotation, but only while credentials are refused. A caller
// that gets class Denied knows that none of them works.
type Client struct {
	base      string
	keys      *keychain
	transport http.RoundTripper
	timeout   time.Duration
	now       func() time.Time
	agent     []string // one: all requests share it
	skew      *skew
}

// New returns a client, or an error if o is invalid. It makes no call.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = apiURL
	}
	base, err := baseURL(o.BaseURL, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	keys, err := newKeyring(Credentials{Secrets: o.Secrets, APIKey: o.APIKey})
	if err != nil {
		return nil, err
	}
	c := &Client{
		base:      base,
		keys:      &keychain{source: o.Source},
		transport: o.Transport,
		timeout:   o.Timeout,
		now:       o.Now,
		agent:     []string{cmp.Or(o.UserAgent, defaultAgent)},
		skew:      new(skew),
	}
	c.keys.current.Store(keys)
	if c.transport == nil {
		c.transport = NewTransport()
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// baseURL validates s and returns it without a slash at its end. Its errors do
// not repeat s, which may hold a password.
func baseURL(s string, allowHTTP bool) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return "", errors.New("invalid base URL; write it like https://api.heymarket.com")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("the base URL has a user, a query or a fragment; remove it and keep scheme, host and path")
	}
	http := u.Scheme == "http" && (allowHTTP || loopback.Is(u.Hostname()))
	if u.Scheme != "https" && !http {
		return "", errors.New("the base URL is not https; http is allowed for loopback hosts only, because it exposes keys")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// call is one call of the API.
type call struct {
	method, path string
	body         *body // nil for none

	// element receives the elements of a response that is an array, one by one. If
	// it is nil, the response is one object and is kept whole.
	element func(object) error
}

// do makes the call with the current credentials, and once more if they were
// replaced and all of them were refused.
func (c *Client) do(ctx context.Context, call call) (response, error) {
	keys := c.keys.current.Load()
	resp, err := c.try(ctx, call, keys)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Class != Denied {
		return resp, err
	}
	current, err := c.keys.reload(keys)
	if err != nil {
		e.Reason = clip(e.Reason+"; cannot reload the credentials: "+oneLine(err.Error()), maxReason)
		return resp, e
	}
	if current == keys {
		return resp, e
	}
	return c.try(ctx, call, current)
}

// try makes the call with each credential in turn until one is not refused.
func (c *Client) try(ctx context.Context, call call, keys *keyring) (resp response, err error) {
	for _, i := range keys.order() {
		refused := ""
		for range 2 { // the cached token, then a fresh one
			token, fresh, signErr := keys.all[i].bearer(c.now())
			if signErr != nil {
				return response{}, &Error{Class: Denied, Reason: signErr.Error(), Err: signErr}
			}
			if token == refused { // an API key, or a token of the same second
				break
			}
			resp, err = c.exchange(ctx, call, token)
			if e, ok := errors.AsType[*Error](err); !ok || e.Class != Denied {
				keys.first.Store(int32(i))
				return resp, err
			}
			keys.all[i].drop(token)
			refused = token
			if fresh {
				break
			}
		}
	}
	return resp, err
}

// exchange is one request and its response. It calls the transport directly, not
// through an http.Client: a transport follows no redirect and keeps no cookie.
// When it returns, nothing of the exchange goes on.
func (c *Client) exchange(parent context.Context, call call, token string) (response, error) {
	if err := parent.Err(); err != nil {
		return response{}, &Error{Reason: "the call was cancelled before it began", Err: err}
	}
	ctx, cancel := context.WithTimeout(parent, c.timeout)
	defer cancel()

	left := new(departure)
	defer func() {
		if call.body != nil && !left.over() {
			call.body.lent = true
		}
	}()
	req, err := c.request(httptrace.WithClientTrace(ctx, left.trace()), call, token)
	if err != nil {
		return response{}, &Error{Reason: oneLine(err.Error()), Err: err}
	}
	hr, err := c.transport.RoundTrip(req)
	if err != nil {
		reason, cause := c.interruption(parent, ctx, err)
		return response{}, &Error{Unknown: left.possible(), Reason: reason, Err: cause}
	}
	defer hr.Body.Close()
	resp := response{status: hr.StatusCode, token: token}
	resp.requestID = clip(resp.blank(oneLine(hr.Header.Get("X-Request-Id"))), maxRequestID)
	if resp.status < http.StatusOK {
		// After a 101 the body is the raw connection, which no deadline ends.
		return response{}, resp.odd("the status is not final", nil)
	}

	c.skew.note(hr.Header.Get("Date"), c.now())

	// Closing the body ends a read that ignores the context.
	stop := context.AfterFunc(ctx, func() { hr.Body.Close() })
	defer stop()
	err = resp.read(hr.Body, call.element)
	if e, ok := errors.AsType[*interrupted](err); ok {
		reason, cause := c.interruption(parent, ctx, e.cause)
		err = resp.odd("the response was interrupted: "+reason, cause)
	}
	if resp.status > 299 {
		unread, _ := errors.AsType[*Error](err)
		return response{}, resp.failure(hr.Header, c.now(), unread)
	}
	if err != nil {
		return response{}, err
	}
	return resp, nil
}

// inJSON is the value of a header field that says so. A transport changes no request.
var inJSON = []string{"application/json"}

// request builds the HTTP request of a call.
func (c *Client) request(ctx context.Context, call call, token string) (*http.Request, error) {
	body := io.Reader(http.NoBody)
	if call.body != nil {
		body = bytes.NewReader(call.body.Bytes())
	}
	req, err := http.NewRequestWithContext(ctx, call.method, c.base+call.path, body)
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{
		"Authorization": {"Bearer " + token},
		"User-Agent":    c.agent,
		"Accept":        inJSON,
	}
	if call.body != nil {
		req.Header["Content-Type"] = inJSON
	}
	return req, nil
}

// interruption describes a failed exchange and returns its cause.
func (c *Client) interruption(parent, ctx context.Context, err error) (reason string, cause error) {
	switch {
	case parent.Err() != nil:
		return "the call was cancelled: " + parent.Err().Error(), parent.Err()
	case ctx.Err() != nil:
		return fmt.Sprintf("timed out after %v", c.timeout), ctx.Err()
	}
	return clip(oneLine(err.Error()), maxReason), err
}
