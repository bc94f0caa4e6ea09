package bombs

import (
	"flag"
	"fmt"
	"net"
	"net/smtp"
	"slices"
	"sync"
	"testing"
	"time"

	"heyrelay/test/process"
)

var all = flag.Bool("all", false, "throw all bombs, eight at once too, and print a table")

const (
	inFlight = 64 << 20
	memory   = 4 * inFlight     // that the relay may occupy
	honest   = 200              // messages beside a bomb, with -all
	longest  = 10 * time.Second // until a bomb that is alone is answered, with -all
	patience = time.Minute      // without -all: a busy machine measures no latency
)

// few are the bombs that are thrown without -all: those that made the most of their size.
var few = []string{"tabs on one line", "winmail.dat of compressed rich text", "entities of 8 MB"}

// limits has no room for eight bombs of one client: each comes from an address of its own.
const limits = "limits: {in_flight: 64MiB, message_size: 10MB}\n"

// TestBombs: no bomb makes the relay occupy more than four times limits.in_flight, alone or
// eight at once.
func TestBombs(t *testing.T) {
	r := process.StartRelay(t, process.Build(t), limits)
	latency := patience
	if *all {
		none := throw(t, r, "", 0)
		latency = none.p99 + time.Second // what this machine takes, and a second
		t.Logf("%-36s %34s  %34s", "", "alone", "eight at once")
		t.Logf("%-36s %s  %s", "bomb", header, header)
		t.Logf("%-36s %s", "none", none)
	}
	for _, b := range All() {
		message := b.Make()
		switch {
		case *all:
			alone, eight := throw(t, r, message, 1), throw(t, r, message, 8)
			t.Logf("%-36s %s    %s", b.Name, alone, eight)
			alone.check(t, b.Name, latency)
			if alone.took > longest {
				t.Errorf("%s: answered after %v", b.Name, alone.took)
			}
			eight.check(t, b.Name, latency)
		case slices.Contains(few, b.Name):
			throw(t, r, message, 8).check(t, b.Name, latency)
		}
	}
}

// damage is what bombs do.
type damage struct {
	peak int64         // bytes of the relay
	took time.Duration // until all were answered
	p99  time.Duration // of an honest client
}

const header = "     memory  answered honest p99"

func (d damage) String() string {
	return fmt.Sprintf("%8d MB %9s %10s", d.peak>>20, d.took.Round(10*time.Millisecond), d.p99.Round(time.Millisecond))
}

func (d damage) check(t *testing.T, name string, patience time.Duration) {
	t.Helper()
	if d.peak > memory {
		t.Errorf("%s: the relay occupied %d MB", name, d.peak>>20)
	}
	if d.p99 > patience {
		t.Errorf("%s: an honest client waited %v", name, d.p99)
	}
}

// throw submits a message n times at once, beside an honest client.
func throw(t *testing.T, r *process.Relay, message string, n int) damage {
	t.Helper()
	process.ResetPeak(t, r.Serve.PID())
	var flying sync.WaitGroup
	for i := range n {
		flying.Go(func() {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i))}}
			c, err := d.Dial("tcp", r.SMTP)
			if err != nil {
				t.Error(err)
				return
			}
			_ = Submit(c, "hostile@example.com", message) // most are refused
		})
	}
	d := damage{}
	ended, began := make(chan struct{}), time.Now()
	go func() {
		flying.Wait()
		d.took = time.Since(began)
		close(ended)
	}()
	d.p99 = p99(t, r.SMTP, ended)
	peak, alive := process.PeakMemory(t, r.Serve.PID())
	if !alive {
		t.Fatalf("the relay has ended:\n%s", r.Serve.Output())
	}
	d.peak = peak
	return d
}

// p99 submits small messages until the bombs have been answered, and with -all at least
// as many as make a p99.
func p99(t *testing.T, address string, ended <-chan struct{}) time.Duration {
	t.Helper()
	var took []time.Duration
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		began := time.Now()
		for err := send(address); err != nil; err = send(address) { // other clients may occupy the memory
			if time.Since(began) > patience {
				t.Fatalf("an honest client is not served: %v", err)
			}
			<-again.C
		}
		took = append(took, time.Since(began))
		if *all && len(took) < honest {
			continue
		}
		select {
		case <-ended:
			slices.Sort(took)
			return took[len(took)*99/100]
		default:
		}
	}
}

// send submits a small message.
func send(address string) error {
	const text = "To: a@example.com\r\nSubject: Honest\r\n\r\nHello.\r\n"
	return smtp.SendMail(address, nil, "app@example.com", []string{"a@example.com"}, []byte(text))
}
