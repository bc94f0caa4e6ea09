package smtpd

import (
	"fmt"
	"strings"
	"testing"
)

// A connection that fails in the reply to a BDAT ends without a panic: Data has started before
// the session ends.
func TestResetInBDAT(t *testing.T) {
	l := &cuttable{}
	h := openOn(t, Listener{Listener: l.listen(t), Allow: loopback}, Options{}, &recorder{})
	for range 100 {
		l.cut.Store(false)
		c := h.dial(t)
		c.hello()
		c.mail()
		l.cut.Store(true)
		c.send("BDAT 0\r\nNOOP\r\n")
		c.want("<closed>")
	}
	h.stop(t)
	for _, e := range h.all() {
		if e.Err != nil && strings.Contains(e.Err.Error(), "panic") {
			t.Fatal(e.Err)
		}
	}
	if n := len(h.messages()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// A chunk of unknown size could be content or commands: the connection is closed.
func TestMalformedBDAT(t *testing.T) {
	h := open(t, Options{}, &recorder{})
	for _, command := range []string{
		"BDAT", "BDAT LAST", "BDAT -1", "BDAT +6", "BDAT 0x6", "BDAT 6.", "BDAT 4294967296 LAST", "BDAT 99999999999999999999",
		"BDAT 6 FIRST", "BDAT 6 LAST now", "BDAT 6,LAST", "bdat x", "BDAT\t6", "BDAT6", "BDATA 6",
	} {
		c := h.dial(t)
		c.hello()
		c.mail()
		c.send(fmt.Sprintf("%s\r\n%s", command, smuggled))
		c.want("501 5.5.4 ", "<closed>")
	}
	h.stop(t)
	if m := h.messages(); len(m) != 0 {
		t.Errorf("the Handler got %+v", m)
	}
}
