package operation

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"heyrelay/test/process"
)

// tunnel is a proxy that connects every CONNECT to one address, and remembers who was asked for.
func tunnel(t *testing.T, to string) (proxy string, asked *atomic.Value) {
	asked = &atomic.Value{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.Host)
		far, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer far.Close()
		near, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer near.Close()
		_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n") // what fails here, the client reports
		go func() { _, _ = io.Copy(far, near) }()
		_, _ = io.Copy(near, far)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// The API is reached through the proxy that HTTPS_PROXY names. The proxy sees the name of the
// API's host, nothing else.
func TestProxy(t *testing.T) {
	binary, dir := process.Build(t), t.TempDir()
	sandbox, err := url.Parse(process.StartSandbox(t, binary))
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(sandbox)) // its certificate is for example.com
	defer api.Close()
	proxy, asked := tunnel(t, api.Listener.Addr().String())

	config := "heymarket: {base_url: \"https://example.com\"}\n" +
		"teams: {shop: {secrets: [{id: demo, key_file: key}]}}\nroutes: [{inbox: 202, creator_id: 55}]\n"
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	files := map[string]string{"key": "not-a-secret", "heyrelay.yaml": config, "ca.pem": string(authority)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "check", "-c", filepath.Join(dir, "heyrelay.yaml"), "--online")
	cmd.Env = append(process.Environment(), "SSL_CERT_FILE="+filepath.Join(dir, "ca.pem"), "HTTPS_PROXY="+proxy)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "the configuration is valid") {
		t.Errorf("through the proxy: %v\n%s", err, out)
	}
	if got := fmt.Sprint(asked.Load()); got != "CONNECT example.com:443" {
		t.Errorf("the proxy was asked for %q", got)
	}
}
