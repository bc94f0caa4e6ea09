// Package tracing sends OpenTelemetry traces of messages.
//
// [Tracer] is an event sink. Each message is one trace: its acceptance, with conversion and
// commit, is the root; each attempt, with claim, call and finish, is a child of that. Events say
// when each step began and ended, so that no other package knows of spans.
//
// The ids of the trace and of its root are made of the queue id. That is stored with the message,
// so that an attempt joins its trace after a restart, in another process, and days later. A span has
// queue id, local_id, route, team, status and X-Request-Id: no address, title or text.
//
// The standard OTEL_ variables configure it; without them there is no Tracer.
package tracing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"heyrelay/internal/events"
)

// Tracer is an events.Sink that makes spans. Make one with New.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// Enabled reports whether the environment asks for traces: OTEL_TRACES_EXPORTER is otlp, or an
// OTLP endpoint is set and the exporter is not another one. The error is a value that is not
// supported. lookup is as os.Getenv.
func Enabled(lookup func(string) string) (bool, error) {
	exporter := lookup("OTEL_TRACES_EXPORTER")
	endpointName, endpoint := effective(lookup, "ENDPOINT")
	switch {
	case strings.EqualFold(lookup("OTEL_SDK_DISABLED"), "true") || exporter == "none":
		return false, nil
	case exporter == "" && endpoint == "":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not supported; use otlp or none", exporter)
	}
	if name, p := effective(lookup, "PROTOCOL"); p != "" && p != "http/protobuf" {
		return false, fmt.Errorf("%s: %q is not supported; use http/protobuf", name, p)
	}
	if endpoint != "" && !isHTTP(endpoint) {
		return false, fmt.Errorf("%s: %q is not a URL; write one such as http://collector:4318", endpointName, endpoint)
	}
	return true, nil
}

// effective returns the variable for traces, or else the one for all signals, which it overrides. As in
// OpenTelemetry, white space around a value does not count.
func effective(lookup func(string) string, suffix string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_TRACES_" + suffix
	if strings.TrimSpace(lookup(name)) == "" {
		name = "OTEL_EXPORTER_OTLP_" + suffix
	}
	return name, strings.TrimSpace(lookup(name))
}

// isHTTP reports whether a text is the URL of a server.
func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// New returns a Tracer that sends to where the OTEL_ variables of the process say. failed gets the
// error of an export, once until one succeeds, and complain what else OpenTelemetry finds wrong, such
// as the value of a variable; any goroutine may call them. Spans that cannot be sent are dropped.
// version is that of the binary.
func New(ctx context.Context, version string, failed, complain func(error)) (*Tracer, error) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(complain)) // or it writes to standard error
	client, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "heyrelay"), attribute.String("service.version", version)),
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, err
	}
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(&exporter{SpanExporter: client, failed: failed}),
		sdk.WithResource(about),
		sdk.WithIDGenerator(generator{}),
	)
	return &Tracer{provider, provider.Tracer("heyrelay")}, nil
}

// Close sends what has not been sent yet, until ctx ends.
func (t *Tracer) Close(ctx context.Context) { _ = t.provider.Shutdown(ctx) } // its error was reported

// exporter reports an error once, until an export succeeds.
type exporter struct {
	sdk.SpanExporter
	failed   func(error)
	reported atomic.Bool
}

// ExportSpans implements sdk.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		e.reported.Store(false)
		return nil
	}
	if !e.reported.Swap(true) {
		e.failed(err)
	}
	return nil
}

// Record implements events.Sink.
func (t *Tracer) Record(e events.Event) {
	if e.QueueID == "" || len(e.Steps) == 0 {
		return
	}
	// The root is made again for each event: that also decides, by the trace's id, whether it is sampled.
	began, ended := e.Steps[0].Start, e.Steps[len(e.Steps)-1].End
	ctx, root := t.tracer.Start(
		context.WithValue(context.Background(), messageKey{}, e.QueueID),
		"accept",
		trace.WithNewRoot(),
		trace.WithTimestamp(began),
		trace.WithSpanKind(trace.SpanKindServer),
	)
	span := root
	if e.Kind != events.Accepted && e.Kind != events.Refused {
		name := "attempt"
		if e.Kind == events.Duplicate {
			name = "accept duplicate"
		}
		ctx, span = t.tracer.Start(ctx, name, trace.WithTimestamp(began))
	}
	attributes := attributesOf(e)
	span.SetAttributes(attributes...)
	for _, step := range e.Steps {
		_, child := t.tracer.Start(ctx, step.Name, trace.WithTimestamp(step.Start), trace.WithAttributes(attributes...))
		child.End(trace.WithTimestamp(step.End))
	}
	switch e.Kind {
	case events.Refused, events.Deferred, events.Failed:
		span.SetStatus(codes.Error, string(e.Kind))
	}
	span.End(trace.WithTimestamp(ended))
}

func attributesOf(e events.Event) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String("heyrelay.queue_id", e.QueueID),
		attribute.String("heyrelay.outcome", string(e.Kind)),
	}
	for name, text := range map[string]string{
		"heyrelay.local_id":   e.LocalID,
		"heyrelay.route":      e.Route,
		"heyrelay.team":       e.Team,
		"heyrelay.request_id": e.APIID,
	} {
		if text != "" {
			all = append(all, attribute.String(name, text))
		}
	}
	if e.Attempt > 0 {
		all = append(all, attribute.Int("heyrelay.attempt", e.Attempt))
	}
	if e.Status > 0 {
		all = append(all, attribute.Int("heyrelay.status", e.Status))
	}
	return all
}

// messageKey is the key of the queue id in the context of a root.
type messageKey struct{}

// generator makes the ids of spans. Those of a root come from its queue id.
type generator struct{}

// NewIDs implements sdk.IDGenerator.
func (g generator) NewIDs(ctx context.Context) (of trace.TraceID, root trace.SpanID) {
	queueID, _ := ctx.Value(messageKey{}).(string)
	sum := sha256.Sum256([]byte("heyrelay trace " + queueID))
	copy(of[:], sum[:])
	copy(root[:], sum[len(of):])
	return of, root
}

// NewSpanID implements sdk.IDGenerator.
func (generator) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	_, _ = rand.Read(id[:]) // it never fails
	return id
}
