package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"heyrelay/internal/events"
	"heyrelay/internal/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver receives traces as a collector does (OTLP over HTTP).
type receiver struct {
	mu    sync.Mutex
	spans []*otlp.Span
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var all collector.ExportTraceServiceRequest
	err = errors.Join(err, proto.Unmarshal(body, &all))
	if err != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, from := range all.ResourceSpans {
		for _, scope := range from.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// record records events in a process of their own.
func record(t *testing.T, failed func(error), all ...events.Event) {
	t.Helper()
	complain := func(err error) { t.Errorf("OpenTelemetry complains: %v", err) }
	tracer, err := tracing.New(t.Context(), "test", failed, complain)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		tracer.Record(e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tracer.Close(ctx)
}

var began = time.Date(2026, 11, 26, 1, 0, 0, 0, time.UTC)

func steps(names ...string) (all []events.Step) {
	for i, name := range names {
		at := began.Add(time.Duration(i) * time.Second)
		all = append(all, events.Step{Name: name, Start: at, End: at.Add(time.Second)})
	}
	return all
}

var (
	accepted = events.Event{
		Kind: events.Accepted, QueueID: "Q1", Route: "support", Title: "salaries",
		To: []string{"to:ann@example.com"}, Steps: steps("convert", "commit"),
	}
	sent = events.Event{
		Kind: events.Sent, QueueID: "Q1", LocalID: "L1", APIID: "req-7", Attempt: 2, Status: 200,
		Steps: steps("claim", "call", "finish"),
	}
)

// Acceptance and attempts are one trace, also where another process attempts: the attempt is a
// child of the acceptance, with queue id and X-Request-Id, and nothing says who wrote what to whom.
func TestOneTrace(t *testing.T) {
	r := newReceiver(t)
	record(t, nil, accepted)
	record(t, nil, sent)
	byName := map[string]*otlp.Span{}
	for _, s := range r.spans {
		byName[s.Name] = s
		if string(s.TraceId) != string(r.spans[0].TraceId) {
			t.Errorf("%s is in another trace", s.Name)
		}
		if !strings.Contains(s.String(), `string_value:"Q1"`) {
			t.Errorf("%s has no queue id", s.Name)
		}
	}
	for name, parent := range map[string]string{
		"convert": "accept", "commit": "accept", "attempt": "accept",
		"claim": "attempt", "call": "attempt", "finish": "attempt",
	} {
		if s := byName[name]; s == nil || string(s.ParentSpanId) != string(byName[parent].SpanId) {
			t.Errorf("%s is no child of %s", name, parent)
		}
	}
	root := byName["accept"]
	if len(r.spans) != 7 || len(root.ParentSpanId) > 0 {
		t.Errorf("%d spans, the root has parent %x", len(r.spans), root.ParentSpanId)
	}
	if took := root.EndTimeUnixNano - root.StartTimeUnixNano; took != uint64(2*time.Second) {
		t.Errorf("the acceptance took %v", time.Duration(took))
	}
	if !strings.Contains(byName["call"].String(), `"req-7"`) {
		t.Error("the call has no X-Request-Id")
	}
	if text := fmt.Sprint(r.spans); strings.Contains(text, "salaries") || strings.Contains(text, "ann@") {
		t.Error("a title or an address in a trace")
	}
}

// Of a sampled share of the messages, each has all of its spans.
func TestSampling(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
	r := newReceiver(t)
	var all []events.Event
	for i := range 200 {
		a, s := accepted, sent
		a.QueueID = fmt.Sprint("Q", i)
		s.QueueID = a.QueueID
		all = append(all, a, s)
	}
	record(t, nil, all...)
	spans := map[trace.TraceID]int{}
	for _, s := range r.spans {
		spans[trace.TraceID(s.TraceId)]++
	}
	for id, n := range spans {
		if n != 7 {
			t.Errorf("trace %v has %d spans", id, n)
		}
	}
	if n := len(spans); n < 60 || n > 140 {
		t.Errorf("%d of 200 messages are sampled", n)
	}
}

// A collector that fails is reported once.
func TestCollectorFails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
	var failures atomic.Int32
	record(t, func(error) { failures.Add(1) }, accepted, sent)
	if n := failures.Load(); n != 1 {
		t.Errorf("reported %d times", n)
	}
}

// What OpenTelemetry finds wrong reaches the log, and not standard error, which may be JSON.
func TestComplaints(t *testing.T) {
	newReceiver(t)
	t.Setenv("OTEL_TRACES_SAMPLER", "bogus")
	var complaints []error
	tracer, err := tracing.New(t.Context(), "test", nil, func(err error) { complaints = append(complaints, err) })
	if err != nil {
		t.Fatal(err)
	}
	tracer.Close(t.Context())
	if len(complaints) != 1 || !strings.Contains(complaints[0].Error(), "bogus") {
		t.Errorf("complaints %v", complaints)
	}
}

func TestEnabled(t *testing.T) {
	for _, c := range []struct {
		env     []string
		enabled bool
		problem string
	}{
		{nil, false, ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/v1/traces"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", " http://c:4318\n"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", " "}, false, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp"}, true, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "none", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}, false, ""},
		{[]string{"OTEL_SDK_DISABLED", "true", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}, false, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "zipkin"}, false, "use otlp or none"},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, false, "use http/protobuf"},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"}, false, "write one such as http://collector:4318"},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "://x"}, false, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		{[]string{
			"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc",
			"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf",
		}, true, ""},
		{[]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/v1/traces",
		}, true, ""},
	} {
		enabled, err := tracing.Enabled(func(name string) string {
			if i := slices.Index(c.env, name); i >= 0 {
				return c.env[i+1]
			}
			return ""
		})
		failed := err != nil
		if enabled != c.enabled || failed != (c.problem != "") || failed && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%q: %v, %v", c.env, enabled, err)
		}
	}
}
