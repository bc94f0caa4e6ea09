package clients

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"heyrelay/test/process"
)

// bouncing sends mail that the API refuses, with each kind of DSN request and from an address of its own each,
// so that the reports can be distinguished.
const bouncing = `
import smtplib, sys
from email.message import EmailMessage
host, port = sys.argv[1].split(":")
with smtplib.SMTP(host, int(port)) as s:
    s.ehlo()
    assert s.has_extn("dsn"), s.esmtp_features
    for n, (sender, mail, rcpt) in enumerate([
            ("never@app.example", [], ["NOTIFY=NEVER"]),
            ("", [], []),
            ("app@app.example", ["RET=HDRS", "ENVID=QQ314159"],
             ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;al@example.com"]),
    ]):
        m = EmailMessage()
        m["From"], m["To"] = "app@app.example", "permerror@example.com"
        m["Subject"], m["Message-ID"] = "Grüße %d" % n, "<%d@app.example>" % n
        m.set_content("Nobody reads this.")
        s.sendmail(sender, ["permerror@example.com"], m.as_bytes(), mail, rcpt)
`

// reading reads a report as any program would.
const reading = `
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
words, status, back = m.iter_parts()
message, recipient = status.get_payload()
json.dump([m.get_content_type(), m["Content-Type"].params["report-type"], m["To"], m["Auto-Submitted"],
    words.get_content(), message["Original-Envelope-Id"], recipient["Original-Recipient"],
    recipient["Final-Recipient"], recipient["Action"], recipient["Status"],
    back.get_content_type(), [str(d) for p in m.walk() for d in p.defects]], sys.stdout)
`

// What the API refuses comes back to its sender, as asked for by DSN: one report of
// three mails, for one says NEVER and one has no sender. The webhook hears of all.
func TestBounces(t *testing.T) {
	process.Need(t, "python3")
	host, reports := smarthost(t)
	key := []byte("0123456789abcdef0123456789abcdef")
	url, events := webhook(t, key)
	r := process.StartRelay(t, process.Build(t), fmt.Sprintf(`
bounces: {smarthost: "smtp://%s"}
events: {url: %q, secret: "${HOOK}"}
`, host, url))
	run(t, t.TempDir(), "python3", "-c", bouncing, r.SMTP)
	for range 3 {
		if e := next(t, events); e.Type != "failed" || !strings.Contains(e.Data.Reason, "400") {
			t.Errorf("the webhook got %+v", e)
		}
	}
	cmd := exec.Command("python3", "-c", reading)
	cmd.Stdin = strings.NewReader(next(t, reports))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	const want = `["multipart/report", "delivery-status", "app@app.example", "auto-replied", *Grüße 2*400*Queue id: *` +
		`"QQ314159", "rfc822; al@example.com", "rfc822; permerror@example.com", "failed", "5.0.0", ` +
		`"text/rfc822-headers", []]`
	got, err := compact(string(out))
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(want, "*") {
		if i := strings.Index(got, part); i < 0 {
			t.Errorf("the report has no %q in this order:\n%s", part, out)
		} else {
			got = got[i+len(part):]
		}
	}
	if code := r.Serve.Stop(); code != 0 {
		t.Errorf("serve ended with %d", code)
	}
	select {
	case m := <-reports:
		t.Errorf("one report too many:\n%s", m)
	default:
	}
}

// compact writes JSON as Python does, but with its letters unescaped.
func compact(text string) (string, error) {
	var v []any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return "", err
	}
	var all []string
	for _, e := range v {
		if s, ok := e.(string); ok {
			all = append(all, `"`+s+`"`)
		} else {
			all = append(all, fmt.Sprint(e))
		}
	}
	return "[" + strings.Join(all, ", ") + "]", nil
}

// next waits for one more.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came within 30 s")
		panic("unreachable")
	}
}

// smarthost is a mail server that hands on what it gets from <>.
func smarthost(t *testing.T) (address string, mail <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := make(chan string, 10)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return taker(c), nil }))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String(), c
}

// taker is a session of it.
type taker chan string

func (t taker) Mail(from string, _ *smtp.MailOptions) error {
	if from != "" {
		return &smtp.SMTPError{Code: 550, Message: "a report has no sender"}
	}
	return nil
}
func (t taker) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (t taker) Reset()                               {}
func (t taker) Logout() error                        { return nil }
func (t taker) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	t <- string(b)
	return err
}

// event is what the webhook receives.
type event struct {
	Type string `json:"type"`
	Data struct {
		QueueID string `json:"queue_id"`
		Reason  string `json:"reason"`
	} `json:"data"`
}

// webhook takes what is signed with key, as Standard Webhooks says. The relay finds
// the key in the environment.
func webhook(t *testing.T, key []byte) (url string, got <-chan event) {
	t.Helper()
	t.Setenv("HOOK", "whsec_"+base64.StdEncoding.EncodeToString(key))
	c := make(chan event, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
		if r.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			t.Errorf("a wrong signature: %v", r.Header)
		}
		var e event
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		c <- e
	}))
	t.Cleanup(s.Close)
	return s.URL, c
}
