package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// amzTime is the form of times in signatures.
const amzTime = "20060102T150405Z"

// signer signs requests to S3 (AWS Signature Version 4). A path contains nothing that must be escaped.
type signer struct {
	region               string
	accessKey, secretKey string
}

// sign signs a request with its headers, its query, and the SHA-256 of its body in hexadecimal.
func (s signer) sign(req *http.Request, digest string, now time.Time) {
	at := now.UTC().Format(amzTime)
	req.Header.Set("x-amz-content-sha256", digest)
	req.Header.Set("x-amz-date", at)
	headers := map[string]string{"host": req.URL.Host}
	for name, values := range req.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	names, signature := s.signature(req, headers, digest, at)
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s",
		s.accessKey, s.scope(at), names, signature))
}

// scope says where and when a signature is valid.
func (s signer) scope(at string) string { return at[:8] + "/" + s.region + "/s3/aws4_request" }

// signature returns the names of the headers that a signature covers, and the signature.
func (s signer) signature(req *http.Request, headers map[string]string, digest, at string) (names, signature string) {
	sorted := slices.Sorted(maps.Keys(headers))
	names = strings.Join(sorted, ";")
	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", req.Method, req.URL.Path, req.URL.RawQuery)
	for _, name := range sorted {
		fmt.Fprintf(&canonical, "%s:%s\n", name, strings.TrimSpace(headers[name]))
	}
	fmt.Fprintf(&canonical, "\n%s\n%s", names, digest)
	sum := sha256.Sum256([]byte(canonical.String()))
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", at, s.scope(at), sum)
	key := []byte("AWS4" + s.secretKey)
	for part := range strings.SplitSeq(s.scope(at), "/") {
		key = mac(key, part)
	}
	return names, hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
