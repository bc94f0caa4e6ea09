package tracing

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

var spans = []*otlp.ResourceSpans{{SchemaUrl: "one"}, {SchemaUrl: "two"}}

// variables are an environment.
type variables map[string]string

func (v variables) lookup(name string) string { return v[name] }

// received is what a collector was sent.
type received struct {
	path   string
	header http.Header
	spans  int
}

// collect returns the handler of a collector, which replies with each of the statuses in turn, and what it
// was sent.
func collect(t *testing.T, statuses ...int) (http.HandlerFunc, *[]received) {
	all := new([]received)
	return func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(body)
			if err != nil {
				t.Error(err)
				return
			}
			body = unpacked
		}
		text, err := io.ReadAll(body)
		var request collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(text, &request) != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%q %v: %v", text, r.Header, err)
		}
		status := statuses[min(len(*all), len(statuses)-1)]
		*all = append(*all, received{r.URL.Path, r.Header, len(request.ResourceSpans)})
		w.WriteHeader(status)
	}, all
}

// upload sends spans as the variables say.
func upload(ctx context.Context, t *testing.T, v variables) error {
	t.Helper()
	c, err := newClient(v.lookup)
	if err != nil {
		t.Fatal(err)
	}
	c.wait = time.Millisecond
	defer c.Stop(ctx)
	return c.UploadTraces(ctx, spans)
}

func TestUpload(t *testing.T) {
	for _, c := range []struct {
		path, want string // of the endpoint, of the request
		variables
	}{
		{"", "/v1/traces", nil},
		{"/otel/", "/otel/v1/traces", variables{"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}},
		{"/otel", "/otel/v1/traces", variables{"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%2Cb, tenant = 7,"}},
	} {
		handler, all := collect(t, http.StatusOK)
		server := httptest.NewServer(handler)
		v := variables{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL + c.path}
		for name, value := range c.variables {
			v[name] = value
		}
		err := upload(t.Context(), t, v)
		server.Close()
		if err != nil || len(*all) != 1 || (*all)[0].path != c.want || (*all)[0].spans != len(spans) {
			t.Errorf("%v: %v, %v", v, *all, err)
			continue
		}
		h := (*all)[0].header
		if v["OTEL_EXPORTER_OTLP_HEADERS"] != "" && (h.Get("Api-Key") != "a,b" || h.Get("Tenant") != "7") {
			t.Errorf("%v: %v", v, h)
		}
	}
}

// A variable for traces counts before the one for all signals, and its URL is used as it is.
func TestVariablesForTraces(t *testing.T) {
	handler, all := collect(t, http.StatusOK)
	server := httptest.NewServer(handler)
	defer server.Close()
	err := upload(t.Context(), t, variables{
		"OTEL_EXPORTER_OTLP_ENDPOINT":        "http://127.0.0.1:9",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.URL + "/here",
	})
	if err != nil || len(*all) != 1 || (*all)[0].path != "/here" {
		t.Errorf("%v, %v", *all, err)
	}
}

// What a collector may take later is sent again, and nothing else.
func TestUploadAgain(t *testing.T) {
	for _, c := range []struct {
		statuses []int
		requests int
		problem  string
	}{
		{[]int{503, 429, 502, 504, 200}, 5, ""},
		{[]int{503, 400}, 2, "400 Bad Request"},
		{[]int{500, 200}, 1, "500 Internal Server Error"},
		{[]int{301, 200}, 1, "301 Moved Permanently"},
	} {
		handler, all := collect(t, c.statuses...)
		server := httptest.NewServer(handler)
		err := upload(t.Context(), t, variables{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL})
		server.Close()
		if len(*all) != c.requests || (err == nil) != (c.problem == "") || !strings.Contains(fmt.Sprint(err), c.problem) {
			t.Errorf("%v: %d requests, %v", c.statuses, len(*all), err)
		}
	}
}

// An upload ends with its context, and when the client is stopped, with the collector's reply.
func TestUploadEnds(t *testing.T) {
	asked := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
		asked <- struct{}{}
	}))
	defer server.Close()
	c, err := newClient(variables{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for _, end := range []func(){cancel, func() { _ = c.Stop(t.Context()) }} {
		ended := make(chan error)
		go func() { ended <- c.UploadTraces(ctx, spans) }()
		<-asked
		end()
		if err := <-ended; err == nil {
			t.Error("an upload that failed has no error")
		}
		ctx = t.Context()
	}
}

func TestRejected(t *testing.T) {
	for _, c := range []struct {
		partial *collector.ExportTracePartialSuccess
		problem string
	}{
		{nil, ""},
		{&collector.ExportTracePartialSuccess{}, ""},
		{&collector.ExportTracePartialSuccess{RejectedSpans: 3, ErrorMessage: "too old"}, `rejected 3 spans: "too old"`},
	} {
		text, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: c.partial})
		if err != nil {
			t.Fatal(err)
		}
		err = rejected(text)
		if (err == nil) != (c.problem == "") || !strings.Contains(fmt.Sprint(err), c.problem) {
			t.Errorf("%v: %v", c.partial, err)
		}
		for cut := range text {
			_ = rejected(text[:cut]) // it does not panic
		}
	}
}

func TestVariables(t *testing.T) {
	for _, c := range []struct{ name, value, problem string }{
		{"ENDPOINT", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT: no URL such as http://collector:4318"},
		{"ENDPOINT", "grpc://user:secret@collector", "OTEL_EXPORTER_OTLP_ENDPOINT: no URL"},
		{"TRACES_ENDPOINT", "/v1/traces", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: no URL"},
		{"HEADERS", "secret", "OTEL_EXPORTER_OTLP_HEADERS: not of the form"},
		{"HEADERS", "a=secret%", "OTEL_EXPORTER_OTLP_HEADERS: not of the form"},
		{"COMPRESSION", "zstd", `OTEL_EXPORTER_OTLP_COMPRESSION: "zstd" is not supported`},
		{"TRACES_TIMEOUT", "10s", `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "10s" is no number`},
		{"CERTIFICATE", "/nowhere", "OTEL_EXPORTER_OTLP_CERTIFICATE: open /nowhere"},
		{"CERTIFICATE", "client_test.go", "OTEL_EXPORTER_OTLP_CERTIFICATE: no certificate in"},
		{"CLIENT_CERTIFICATE", "client_test.go", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: open"},
	} {
		_, err := newClient(variables{"OTEL_EXPORTER_OTLP_" + c.name: c.value}.lookup)
		if !strings.Contains(fmt.Sprint(err), c.problem) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The collector is verified, and this client shows its certificate.
func TestCertificates(t *testing.T) {
	handler, all := collect(t, http.StatusOK)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	own := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	v := variables{
		"OTEL_EXPORTER_OTLP_ENDPOINT":           server.URL,
		"OTEL_EXPORTER_OTLP_CERTIFICATE":        write("roots", "CERTIFICATE", server.Certificate().Raw),
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": write("own", "CERTIFICATE", own.Certificate[0]),
		"OTEL_EXPORTER_OTLP_CLIENT_KEY":         write("key", "PRIVATE KEY", key),
	}
	if err := upload(t.Context(), t, v); err != nil || len(*all) != 1 {
		t.Errorf("%v, %v", *all, err)
	}
	delete(v, "OTEL_EXPORTER_OTLP_CERTIFICATE")
	if err := upload(t.Context(), t, v); err == nil {
		t.Error("a collector that nobody vouches for is trusted")
	}
}

func TestTimeout(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server sees the client go
		<-r.Context().Done()
	}))
	defer server.Close()
	err := upload(t.Context(), t, variables{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL,
		"OTEL_EXPORTER_OTLP_TIMEOUT":  "20",
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
