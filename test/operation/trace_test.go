package operation

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"heyrelay/test/process"
)

// span is a span as a collector gets it.
type span struct{ name, trace, text string }

// receiveSpans starts a collector, which heyrelay finds by the standard variables.
func receiveSpans(t *testing.T) <-chan span {
	all := make(chan span, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var sent collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &sent); err != nil {
			t.Error(err)
		}
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, s := range scope.Spans {
					all <- span{s.Name, string(s.TraceId), s.String()}
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	return all
}

// The way of a message is one trace: accept, convert and commit before a restart, claim, call and
// finish after it, with the queue id of the log and the X-Request-Id of the API.
func TestTrace(t *testing.T) {
	spans := receiveSpans(t)
	h := startHouse(t)
	h.gate.revoke("old")
	send(t, h.smtp, 1)
	id := h.process.Await(`msg=accepted queue_id=(\w+)`)
	h.process.Await("msg=held")
	h.process.Stop()
	h.gate.accept("old", "old-key")
	h.start()
	process.AwaitMessages(t, h.gate.url, 1)

	missing := map[string]bool{
		"accept": true, "convert": true, "commit": true, "attempt": true, "claim": true, "call": true, "finish": true,
	}
	trace, late := "", time.After(patience)
	for answered := false; len(missing) > 0 || !answered; {
		var s span
		select {
		case s = <-spans:
		case <-late:
			t.Fatalf("missing %v, with X-Request-Id: %v", missing, answered)
		}
		if trace == "" {
			trace = s.trace
		}
		if s.trace != trace || !strings.Contains(s.text, `"`+id+`"`) {
			t.Fatalf("%s is in another trace, or without the queue id %s: %s", s.name, id, s.text)
		}
		delete(missing, s.name)
		answered = answered || s.name == "call" && strings.Contains(s.text, "sandbox-")
	}
	if code := h.process.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Mail is sent while no collector answers, which is logged once.
func TestTraceWithoutCollector(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+process.FreeAddress(t))
	t.Setenv("OTEL_BSP_EXPORT_TIMEOUT", "500")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	h := startHouse(t)
	for n := range 3 {
		send(t, h.smtp, n)
	}
	process.AwaitMessages(t, h.gate.url, 3)
	h.process.Await("traces cannot be exported")
	if code := h.process.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(h.process.Output(), "traces cannot be exported"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}
