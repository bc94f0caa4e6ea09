package heymarket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"
)

const (
	apiURL         = "https://api.heymarket.com"
	defaultTimeout = 30 * time.Second
	defaultAgent   = "heyrelay"

	maxAnswer    = 1 << 20  // octets of an answer about one thing
	maxList      = 32 << 20 // octets of a list; messages come with their bodies
	maxRequestID = 200      // octets of an X-Request-Id
)

// Options is what a Client needs to know. It prints without its secrets.
type Options struct {
	BaseURL   string            // https, http only to a loopback host; "" for https://api.heymarket.com
	Secrets   []Secret          // up to two, tried in order
	APIKey    string            `json:"-"` // legacy, tried after the secrets
	Timeout   time.Duration     // of one HTTP exchange; 0 for 30 s
	Transport http.RoundTripper // shared, stays the caller's; nil for a NewTransport of its own
	Now       func() time.Time  // nil for time.Now
	UserAgent string            // "" for heyrelay
}

// Format prints o without keys, whatever the verb.
func (o Options) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{%s %v api_key=%t %v %s}", o.BaseURL, o.Secrets, o.APIKey != "", o.Timeout, o.UserAgent)
}

// Client speaks for one team. It may be used from many goroutines.
//
// A call answered 401 surely did nothing. So it is made once more with a fresh
// token, if the refused one came from the cache, and then with the next
// credential; a credential that works is tried first from then on. One call is
// therefore up to five requests (two secrets and a key), but only while
// credentials are being refused, and a caller that gets Denied knows that none of
// them works.
type Client struct {
	base      string
	keys      *keyring
	transport http.RoundTripper
	timeout   time.Duration
	now       func() time.Time
	agent     string
}

// New returns a client, or says what is wrong with o. It makes no call.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = apiURL
	}
	base, err := baseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	keys, err := newKeyring(o.Secrets, o.APIKey)
	if err != nil {
		return nil, err
	}
	c := &Client{base: base, keys: keys, transport: o.Transport, timeout: o.Timeout, now: o.Now, agent: o.UserAgent}
	if c.transport == nil {
		c.transport = NewTransport()
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.agent == "" {
		c.agent = defaultAgent
	}
	return c, nil
}

// baseURL checks s and returns it without a slash at its end. Its errors do not
// repeat s, which may hold a password.
func baseURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return "", errors.New("the base URL is not like https://api.heymarket.com")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("the base URL has a user, a query or a fragment; only scheme, host and path belong there")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", errors.New("the base URL is not https; http is taken for a loopback host only, because keys travel on it")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// call is one call of the API.
type call struct {
	method, path string
	body         []byte // JSON, nil for none
	limit        int64  // octets that its answer may have
}

// do makes the call with each credential in turn until one is not refused.
func (c *Client) do(ctx context.Context, call call) (ans answer, err error) {
	for _, i := range c.keys.inTurn() {
		refused := ""
		for range 2 { // the cached token, then a fresh one
			token, fresh, signErr := c.keys.all[i].bearer(c.now())
			if signErr != nil {
				return answer{}, &Error{Class: Denied, Reason: signErr.Error(), Err: signErr}
			}
			if token == refused { // an API key, or a token of the same second
				break
			}
			ans, err = c.exchange(ctx, call, token)
			if e, ok := errors.AsType[*Error](err); !ok || e.Class != Denied {
				c.keys.first.Store(int32(i))
				return ans, err
			}
			c.keys.all[i].drop(token)
			if refused = token; fresh {
				break
			}
		}
	}
	return ans, err
}

// exchange is one request and its answer. It calls the transport itself, not
// through an http.Client: a transport follows no redirect and keeps no cookie.
func (c *Client) exchange(parent context.Context, call call, token string) (answer, error) {
	if err := parent.Err(); err != nil {
		return answer{}, &Error{Reason: "the call was given up before it began", Err: err}
	}
	ctx, cancel := context.WithTimeout(parent, c.timeout)
	defer cancel()

	left := new(departure)
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, left.trace()), call.method, c.base+call.path, bytes.NewReader(call.body))
	if err != nil {
		return answer{}, &Error{Reason: oneLine(err.Error()), Err: err}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json")
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}

	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		reason, err := c.broken(parent, ctx, err)
		return answer{}, &Error{Unknown: left.possible(), Reason: reason, Err: err}
	}
	defer resp.Body.Close()

	body, err := io.ReadAll(io.LimitReader(resp.Body, call.limit+1))
	ans := answer{status: resp.StatusCode, requestID: clip(oneLine(resp.Header.Get("X-Request-Id")), maxRequestID), body: body, token: token}
	switch {
	case err != nil:
		reason, err := c.broken(parent, ctx, err)
		return answer{}, ans.odd("the answer broke off: "+reason, err)
	case int64(len(body)) > call.limit:
		return answer{}, ans.odd(fmt.Sprintf("the answer is longer than %d octets", call.limit), nil)
	case ans.status < 200 || ans.status > 299:
		return answer{}, ans.failure(resp.Header, c.now())
	}
	return ans, nil
}

// broken returns the words for a failed exchange, and its cause.
func (c *Client) broken(parent, ctx context.Context, err error) (reason string, cause error) {
	switch {
	case parent.Err() != nil:
		return "the call was given up: " + parent.Err().Error(), parent.Err()
	case ctx.Err() != nil:
		return fmt.Sprintf("timed out after %v", c.timeout), ctx.Err()
	}
	return clip(oneLine(err.Error()), maxReason), err
}
