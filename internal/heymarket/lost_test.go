package heymarket_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/heymarket"
)

// TestUnknownOverTheNetwork: only a request that certainly never left was certainly
// not carried out.
func TestUnknownOverTheNetwork(t *testing.T) {
	cut := func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }
	hang := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else the server does not notice that the client has gone
		<-r.Context().Done()
	}
	half := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"id": 1`)
	}
	quick := func(o *heymarket.Options) { o.Timeout = 50 * time.Millisecond }
	useTLS := func(o *heymarket.Options) { o.BaseURL = strings.Replace(o.BaseURL, "http:", "https:", 1) }
	elsewhere := func(o *heymarket.Options) { o.BaseURL = "http://" + unused(t) }
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		change  func(*heymarket.Options)
		unknown bool
		words   string
	}{
		{"cut", cut, nil, true, "EOF"},
		{"time-out", hang, quick, true, "timed out after 50ms"},
		{"half a response", half, nil, true, "was interrupted"},
		{"nobody listens", cut, elsewhere, false, "refused"},
		{"not TLS", cut, useTLS, false, "TLS handshake"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			transport := heymarket.NewTransport()
			defer transport.CloseIdleConnections()
			o := heymarket.Options{BaseURL: server.URL, APIKey: "k3y", Transport: transport}
			if test.change != nil {
				test.change(&o)
			}
			c, err := heymarket.New(o)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
			e := failure(t, err)
			if e.Class != heymarket.Again || e.Unknown != test.unknown || !strings.Contains(e.Error(), test.words) {
				t.Errorf("unknown %t, %v", e.Unknown, e)
			}
		})
	}
}

// unused returns an address on which nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestUntrustedCertificate: no request leaves before the handshake.
func TestUntrustedCertificate(t *testing.T) {
	asked := false
	handler := func(http.ResponseWriter, *http.Request) { asked = true }
	server := httptest.NewUnstartedServer(http.HandlerFunc(handler))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	transport := heymarket.NewTransport()
	defer transport.CloseIdleConnections()
	c, err := heymarket.New(heymarket.Options{BaseURL: server.URL, APIKey: "k3y", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
	if e := failure(t, err); e.Unknown || asked || !strings.Contains(e.Reason, "certificate") {
		t.Errorf("%+v", e)
	}
}

// TestHTTP2 uses the protocol of the real API.
func TestHTTP2(t *testing.T) {
	version := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		version = r.ProtoMajor
		if r.URL.Path == "/v1/team" {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, `{"id": 1, "convo_id": 2}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	transport := heymarket.NewTransport()
	defer transport.CloseIdleConnections()
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	c, err := heymarket.New(heymarket.Options{BaseURL: server.URL, APIKey: "k3y", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
	if err != nil || sent.ConvoID != 2 || version != 2 {
		t.Errorf("%+v, %v, HTTP/%d", sent, err, version)
	}
	_, err = c.Team(t.Context())
	if e := failure(t, err); !e.Unknown {
		t.Errorf("a stream that was reset: %+v", e)
	}
}

// TestSilentTransport: a transport that does not report whether it began is not
// assumed to have kept the request.
func TestSilentTransport(t *testing.T) {
	c := client(t, carrier(func(*http.Request) (*http.Response, error) { return nil, io.EOF }))
	_, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
	if e := failure(t, err); !e.Unknown || !errors.Is(err, io.EOF) {
		t.Errorf("%+v", e)
	}
}

func TestCancelledCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := carrier(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		c := client(t, waits)

		begun := time.Now()
		_, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
		took := time.Since(begun)
		if e := failure(t, err); !e.Unknown || !errors.Is(err, context.DeadlineExceeded) || took != 30*time.Second {
			t.Errorf("after %v: %+v", took, e)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Send(ctx, opener("l-1", "to:ann@example.com"))
		if e := failure(t, err); !e.Unknown || !strings.Contains(e.Reason, "cancelled") {
			t.Errorf("%+v", e)
		}

		_, err = c.Send(ctx, opener("l-1", "to:ann@example.com"))
		if e := failure(t, err); e.Unknown || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled before it began: %+v", e)
		}
	})
}
