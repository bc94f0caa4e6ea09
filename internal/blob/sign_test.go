package blob

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The examples of the AWS documentation (Signature Calculations for the Authorization Header).
func TestSignature(t *testing.T) {
	s := signer{
		region: "us-east-1", accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	}
	now := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	tests := []struct{ path, ranged, want string }{
		{"/test.txt", "bytes=0-9", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"/?lifecycle=", "", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"/?max-keys=2&prefix=J", "", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	}
	for _, test := range tests {
		req, err := http.NewRequest(http.MethodGet, "https://examplebucket.s3.amazonaws.com"+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.ranged != "" {
			req.Header.Set("Range", test.ranged)
		}
		s.sign(req, empty, now)
		_, signature, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
		if signature != test.want {
			t.Errorf("%s: signature %s, want %s", test.path, signature, test.want)
		}
	}
}
