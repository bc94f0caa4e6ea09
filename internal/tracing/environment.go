package tracing

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// environment reads the variables of the OpenTelemetry specification that configure an OTLP exporter. Each
// has a name for all signals and one for traces, which counts if both are set.
type environment struct {
	lookup func(string) string // as os.Getenv
	err    error               // of the first variable with an error
}

// get returns the value of a variable, and what it is called where it is set.
func (e *environment) get(name string) (value, variable string) {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"} {
		variable = prefix + name
		value = e.lookup(variable)
		if value != "" {
			break
		}
	}
	return value, variable
}

// fail records that a variable has an error. Values are not shown: they may contain secrets.
func (e *environment) fail(variable, format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("%s: %w", variable, fmt.Errorf(format, args...))
	}
}

// url returns where traces are posted.
func (e *environment) url() string {
	value, variable := e.get("ENDPOINT")
	if value == "" {
		value = "http://localhost:4318"
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		e.fail(variable, "no URL such as http://collector:4318")
		return ""
	}
	if variable == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		u = u.JoinPath("v1/traces")
	}
	return u.String()
}

// header returns what is sent with each request: a=b,c=d, percent-encoded (W3C Baggage, 3.3).
func (e *environment) header() http.Header {
	h := http.Header{}
	value, variable := e.get("HEADERS")
	for pair := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, text, ok := strings.Cut(pair, "=")
		text, err := url.PathUnescape(strings.TrimSpace(text))
		if !ok || err != nil {
			e.fail(variable, "not of the form name=value,name=value")
			return h
		}
		h.Set(strings.TrimSpace(name), text)
	}
	return h
}

func (e *environment) gzip() bool {
	value, variable := e.get("COMPRESSION")
	if value != "" && value != "gzip" && value != "none" {
		e.fail(variable, "%q is not supported; use gzip or none", value)
	}
	return value == "gzip"
}

// timeout returns how long one request may take.
func (e *environment) timeout() time.Duration {
	value, variable := e.get("TIMEOUT")
	if value == "" {
		return 10 * time.Second
	}
	milliseconds, err := strconv.Atoi(value)
	if err != nil || milliseconds <= 0 {
		e.fail(variable, "%q is no number of milliseconds", value)
	}
	return time.Duration(milliseconds) * time.Millisecond
}

// tls returns how the collector is verified, and how this client is; nil for the system's roots and no
// certificate.
func (e *environment) tls() *tls.Config {
	roots, rootsVariable := e.get("CERTIFICATE")
	own, ownVariable := e.get("CLIENT_CERTIFICATE")
	key, _ := e.get("CLIENT_KEY")
	if roots == "" && own == "" {
		return nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != "" {
		text, err := os.ReadFile(roots)
		c.RootCAs = x509.NewCertPool()
		if err == nil && !c.RootCAs.AppendCertsFromPEM(text) {
			err = errors.New("no certificate in " + roots)
		}
		if err != nil {
			e.fail(rootsVariable, "%w", err)
		}
	}
	if own != "" {
		pair, err := tls.LoadX509KeyPair(own, key)
		if err != nil {
			e.fail(ownVariable, "%w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}
