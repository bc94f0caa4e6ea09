package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// client is an otlptrace.Client: it posts spans to a collector, by OTLP over HTTP in protobuf. The exporter's
// own client, otlptracehttp, links grpc, which makes the process 2 MB larger.
type client struct {
	url     string
	header  http.Header
	gzip    bool
	timeout time.Duration // of one request
	wait    time.Duration // before the second request, doubled for each further one

	transport *http.Transport
	stopped   context.Context
	stop      func()
}

const (
	firstWait   = 5 * time.Second
	maxResponse = 64 << 10 // octets that are read
)

// newClient returns the client that the OTEL_EXPORTER_OTLP_ variables describe. lookup is as os.Getenv.
func newClient(lookup func(string) string) (*client, error) {
	e := environment{lookup: lookup}
	c := &client{
		url:       e.url(),
		header:    e.header(),
		gzip:      e.gzip(),
		timeout:   e.timeout(),
		wait:      firstWait,
		transport: http.DefaultTransport.(*http.Transport).Clone(),
	}
	c.transport.TLSClientConfig = e.tls()
	c.stopped, c.stop = context.WithCancel(context.Background())
	return c, e.err
}

// Start implements otlptrace.Client. There is nothing to start.
func (*client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client. It ends what is being sent.
func (c *client) Stop(context.Context) error {
	c.stop()
	c.transport.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. It sends again, until ctx ends, where the collector asks for that.
func (c *client) UploadTraces(ctx context.Context, spans []*otlp.ResourceSpans) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.stopped, cancel)()
	// ExportTraceServiceRequest has the same field as TracesData, but its package links grpc.
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	if c.gzip {
		body = compress(body)
	}
	for wait := c.wait; ; wait *= 2 {
		again, after, err := c.post(ctx, body)
		if err == nil || !again {
			return err
		}
		select {
		case <-time.After(max(wait, after)):
		case <-ctx.Done():
			return err
		}
	}
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// post sends one request. again reports whether the collector asks for the same request later, not before a
// time is over.
func (c *client) post(ctx context.Context, body []byte) (again bool, after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	r.Header = c.header.Clone()
	r.Header.Set("Content-Type", "application/x-protobuf")
	if c.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	response, err := c.transport.RoundTrip(r)
	if err != nil {
		return false, 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if response.StatusCode/100 == 2 {
		return false, 0, errors.Join(err, rejected(text))
	}
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // a date is as good as none
	err = fmt.Errorf("the collector replied %s: %.200q", response.Status, text)
	return again, time.Duration(seconds) * time.Second, err
}

// rejected returns what an ExportTraceServiceResponse says of spans that were not taken, nil if all were. Its
// first field is an ExportTracePartialSuccess, whose fields are the number of those spans and a text.
func rejected(response []byte) error {
	var spans uint64
	var text string
	eachField(response, func(number protowire.Number, value []byte) {
		if number != 1 {
			return
		}
		partial, _ := protowire.ConsumeBytes(value)
		eachField(partial, func(number protowire.Number, value []byte) {
			switch number {
			case 1:
				spans, _ = protowire.ConsumeVarint(value)
			case 2:
				text, _ = protowire.ConsumeString(value)
			}
		})
	})
	if spans == 0 && text == "" {
		return nil
	}
	return fmt.Errorf("the collector rejected %d spans: %.200q", spans, text)
}

// eachField calls found for the fields of a message, until one is damaged.
func eachField(message []byte, found func(protowire.Number, []byte)) {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return
		}
		size := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if size < 0 {
			return
		}
		found(number, message[tag:tag+size])
		message = message[tag+size:]
	}
}
