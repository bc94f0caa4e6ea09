package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"heyrelay/internal/retryafter"
	"heyrelay/internal/spool"
)

// Webhook is the endpoint that receives events, signed according to the Standard
// Webhooks specification (1.0.0). Its fields must not be changed once in use.
type Webhook struct {
	URL       string
	Key       func() []byte // the key that signs events now
	UserAgent string
	Hostname  string // keeps the webhook-ids of relays apart

	Now       func() time.Time
	Transport http.RoundTripper // a transport follows no redirects
}

// maxBody is how many octets of a response are read, to reuse its connection.
const maxBody = 64 << 10

// send posts the event of a notice. Every status but 2xx is an error.
func (h *Webhook) send(ctx context.Context, n spool.Notice) (reply string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(n.Event))
	if err != nil {
		return "", err
	}
	event, now := "evt_"+id(h.Hostname, n), h.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", h.UserAgent)
	req.Header.Set("webhook-id", event)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", signature(h.Key(), event, now, n.Event))
	resp, err := h.Transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 { // the body of 101 is the connection, which no context ends
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody)) // only the status counts
	}
	if resp.StatusCode/100 != 2 {
		err := fmt.Errorf("the webhook returned status %d", resp.StatusCode)
		return "", notBefore{err, retryafter.Of(resp.Header, now)}
	}
	return "", nil
}

// signature signs an event with its id and the time of the attempt.
func signature(key []byte, event string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", event, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
