package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/smtp"
	"regexp"
	"strings"
	"sync"
	"time"

	"heyrelay/test/bombs"
)

const (
	applications = 4
	lanes        = 40
	pause        = 200 * time.Millisecond // of an application, between messages
	forgotten    = "forgotten@example.com"
)

// apply runs applications until the time is over and everything is acknowledged.
func (s *soak) apply(busy *sync.WaitGroup) {
	for a := range applications {
		busy.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for i := a; time.Now().Before(s.until); i += applications {
				s.deliver(i)
				<-tick.C
			}
		})
	}
}

// recipient returns who gets message i. The recipient that an operator forgets gets one in fifty.
func recipient(i int) string {
	if i%50 == 0 {
		return forgotten
	}
	return fmt.Sprintf("c%d@example.com", i%lanes)
}

// deliver submits message i until it is acknowledged, as an application would. Half of
// the messages are replies.
func (s *soak) deliver(i int) {
	to := recipient(i)
	text := fmt.Sprintf("To: <%s>\r\nSubject: Soak %d\r\nMessage-ID: <%d@soak>\r\nDate: %s\r\n",
		to, i, i, time.Now().Format(time.RFC1123Z))
	if i/lanes%2 == 1 {
		text += fmt.Sprintf("In-Reply-To: <%d@soak>\r\n", i-lanes)
	}
	text += fmt.Sprintf("\r\nsoak-%d.\r\n", i)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.Now().Add(patience)
	for {
		began := time.Now()
		err := smtp.SendMail(s.smtp, nil, "app@example.com", []string{to}, []byte(text))
		if err == nil {
			s.acknowledged(i, time.Since(began))
			return
		}
		s.add("submissions that failed")
		if time.Now().After(late) {
			s.t.Errorf("message %d: %v", i, err)
			return
		}
		<-again.C
	}
}

func (s *soak) acknowledged(i int, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, i)
	s.took = append(s.took, took)
}

// operate runs queue commands beside the relay.
func (s *soak) operate(ctx context.Context) {
	random := s.random(1)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		lane := fmt.Sprintf("c%d@example.com", random.IntN(lanes))
		commands := [][]string{
			{"list"},
			{"list", "--json", "--state", "waiting"},
			{"stats"},
			{"hold", "--route", "mail"},
			{"release", "--route", "mail"},
			{"hold", "--recipient", lane},
			{"release", "--all"},
			{"retry", "--state", "deferred"},
			{"drop", "--recipient", lane},
			{"retry", "--state", "dropped"},
			{"forget", "--recipient", forgotten},
		}
		s.queue(commands[random.IntN(len(commands))]...)
		s.add("queue commands")
		<-tick.C
	}
	s.queue("release", "--all")
}

// harmless is what commands that change nothing say.
var harmless = regexp.MustCompile(`nothing matches|unchanged|no hold|not held|already|nothing is`)

// hostile attacks from an address of its own.
func (s *soak) hostile(ctx context.Context, n int) {
	random := s.random(uint64(2 + n))
	all := bombs.All()
	for ctx.Err() == nil {
		began := time.Now()
		if random.IntN(2) == 0 {
			s.throw(n, all[random.IntN(len(all))])
		} else {
			s.attack(ctx, n, random)
		}
		select {
		case <-time.After(time.Second - time.Since(began)):
		case <-ctx.Done():
		}
	}
}

// dial connects from the address of attacker n.
func (s *soak) dial(n int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+n))}, Timeout: time.Second}
	return d.Dial("tcp", s.smtp)
}

// throw submits a bomb. It may be refused.
func (s *soak) throw(n int, b bombs.Bomb) {
	c, err := s.dial(n)
	if err != nil {
		return // the relay is dead
	}
	err = bombs.Submit(c, "hostile@example.com", b.Make())
	if err == nil {
		s.add("bombs accepted")
	} else {
		s.add("bombs refused or cut off")
	}
}

// attack sends what no honest client does.
func (s *soak) attack(ctx context.Context, n int, random *rand.Rand) {
	c, err := s.dial(n)
	if err != nil {
		return
	}
	defer c.Close()
	s.add("attacks")
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	what := attacks[random.IntN(len(attacks))]
	if _, err := c.Write([]byte(what)); err != nil {
		return
	}
	select {
	case <-time.After(time.Duration(random.IntN(1500)) * time.Millisecond):
	case <-ctx.Done():
	}
	if t, ok := c.(*net.TCPConn); ok && random.IntN(2) == 0 {
		_ = t.SetLinger(0) // a reset
	}
}

const (
	open   = "EHLO x\r\nMAIL FROM:<hostile@example.com>\r\nRCPT TO:<x@example.com>\r\n"
	second = "MAIL FROM:<hostile@example.com>\r\nRCPT TO:<" + smuggled + ">\r\nDATA\r\nSubject: y\r\n\r\ny\r\n.\r\n"

	// smuggled must never get anything.
	smuggled = "smuggled@example.com"
)

var attacks = []string{
	open + "DATA\r\nSubject: x\r\n\r\nx\n.\n" + second,
	open + "DATA\r\nSubject: x\r\n\r\nx\r.\r" + second,
	open + "DATA\r\nSubject: x\r\n\r\nx\n.\r\n" + second,
	open + "DATA\r\nSubject: x\r\n\r\nx\r\n.\n" + second,
	open + "BDAT 20\r\nSubject: x\r\n\r\n" + strings.Repeat("y", 6) + "BDAT x LAST\r\n" + second,
	open + "BDAT " + fmt.Sprint(len(second)) + "\r\n" + second + "RSET\r\n",
	open + "DATA\r\nSubject: " + strings.Repeat("x", 1<<20),
	"EHLO x\r\nMAIL FROM:<hostile@example.com> SIZE=10000000\r\nRCPT TO:<x@example.com>\r\nDATA\r\n",
	"EHLO x\r\n" + strings.Repeat("NOOP\r\n", 10_000),
	strings.Repeat("\x00\xff", 1<<19),
	strings.Repeat("x", 1<<20),
	"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + second,
	"\x16\x03\x01\x02\x00\x01\x00" + strings.Repeat("\x00", 500),
	"EHLO x\r\nAUTH PLAIN " + strings.Repeat("=", 3000) + "\r\n",
}
