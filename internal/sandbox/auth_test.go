package sandbox_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/sandbox"
)

func TestAuthentication(t *testing.T) {
	const (
		header = `{"alg":"HS256","typ":"JWT"}`
		key    = sandbox.DemoSecretID + "||" + sandbox.DemoSecretKey
	)
	claims := func(ago time.Duration) string {
		return fmt.Sprintf(`{"iss":"demo","iat":%d}`, start.Add(-ago).Unix())
	}
	good := token(header, claims(0), key)
	claim := func(format string, args ...any) string {
		return "Bearer " + token(header, fmt.Sprintf(format, args...), key)
	}
	now := start.Unix()
	reordered := token(`{"typ":"JWT","alg":"HS256"}`, fmt.Sprintf(`{"iat":%d,"iss":"demo"}`, now), key)
	extra := token(`{"alg":"HS256","typ":"JWT","kid":"1"}`, claims(0), key)
	for _, test := range []struct{ name, authorization, want string }{
		{"a token made now", "Bearer " + good, ""},
		{"a token of five minutes", "Bearer " + token(header, claims(5*time.Minute), key), ""},
		{"claims in another order", "Bearer " + reordered, ""},
		{"the API key", "Bearer " + sandbox.DemoAPIKey, ""},
		{"nothing", "", "0 Authorization fields"},
		{"Basic", "Basic " + good, `is not "Bearer TOKEN"`},
		{"no token", "Bearer", `is not "Bearer TOKEN"`},
		{"an unknown key", "Bearer other", "neither a known API key nor a JWT"},
		{"too old", "Bearer " + token(header, claims(5*time.Minute+time.Second), key), "is 5m1s old"},
		{"of the future", "Bearer " + token(header, claims(-time.Second), key), "1s in the future"},
		{"alg none", "Bearer " + token(`{"alg":"none","typ":"JWT"}`, claims(0), key), "alg and typ"},
		{"alg HS512", "Bearer " + token(`{"alg":"HS512","typ":"JWT"}`, claims(0), key), "alg and typ"},
		{"no typ", "Bearer " + token(`{"alg":"HS256"}`, claims(0), key), "alg and typ"},
		{"a header too many", "Bearer " + extra, `"kid" is not documented`},
		{"another id", claim(`{"iss":"other","iat":1}`), "not a known secret id"},
		{"signed with the key alone", "Bearer " + token(header, claims(0), sandbox.DemoSecretKey), "invalid signature"},
		{"signed with one bar", "Bearer " + token(header, claims(0), "demo|"+sandbox.DemoSecretKey), "invalid signature"},
		{"no signature", "Bearer " + good[:strings.LastIndex(good, ".")+1], "invalid signature"},
		{"padded", "Bearer " + good + "=", "invalid signature"},
		{"no iat", claim(`{"iss":"demo"}`), "iat is not an integer"},
		{"iat in quotes", claim(`{"iss":"demo","iat":"%d"}`, now), "iat is not an integer"},
		{"iat in milliseconds", claim(`{"iss":"demo","iat":%d}`, start.UnixMilli()), "in the future"},
		{"iat with a fraction", claim(`{"iss":"demo","iat":%d.5}`, now-1), "iat is not an integer"},
		{"iss twice", claim(`{"iss":"demo","iss":"demo","iat":%d}`, now), "is repeated"},
		{"a claim too many", claim(`{"iss":"demo","iat":%d,"exp":1}`, now), `"exp" is not documented`},
	} {
		at := clock{start}
		s := sandbox.New(sandbox.Options{Now: at.now})
		status, _, body := request(s, "GET", "/v1/inboxes", "", "Authorization: "+test.authorization)
		if test.want == "" && status != 200 {
			t.Errorf("%s: %d %s", test.name, status, body)
		}
		if test.want != "" && (status != 401 || !strings.Contains(body, strings.ReplaceAll(test.want, `"`, `\"`))) {
			t.Errorf("%s: %d %s, not 401 with %q", test.name, status, body, test.want)
		}
		if strings.Contains(body, sandbox.DemoSecretKey) {
			t.Errorf("%s: the response contains the key", test.name)
		}
	}
}

func TestTwoAuthorizationFields(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	r := httptest.NewRequest("GET", "/v1/inboxes", nil)
	r.Header["Authorization"] = []string{"Bearer " + sandbox.DemoAPIKey, "Bearer " + sandbox.DemoAPIKey}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Error(w.Code)
	}
}

func TestASecretOpensItsTeam(t *testing.T) {
	s := sandbox.New(sandbox.Options{Teams: []sandbox.Team{sandbox.DemoTeam(), otherTeam()}})
	_, _, body := request(s, "GET", "/v1/team", "", "Authorization: Bearer other-key")
	if !sameJSON(t, body, `{"id": 8, "name": "Other", "members": [{"id": 70, "name": "Mary", "role": "member"}]}`) {
		t.Error(body)
	}
}
