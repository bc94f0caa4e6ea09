package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Exit codes of sysexits.h, which callers of sendmail know.
const (
	exUsage       = 64 // the command line is wrong
	exDataErr     = 65 // the message is
	exUnavailable = 69 // the relay refuses it
	exIOErr       = 74 // the message cannot be read
	exTempFail    = 75 // the relay is not there, or wants us to come again
)

// coded is an error with an exit code of its own.
type coded struct {
	code int
	error
}

func (c coded) Unwrap() error { return c.error }

type mailerCmd struct {
	Args []string `arg:"" optional:"" help:"Options and recipients, as sendmail takes them."`
}

// called is the command line that is meant where the program goes by another name.
func called(args []string) []string {
	switch filepath.Base(args[0]) {
	case "sendmail":
		return append([]string{"sendmail"}, args[1:]...)
	case "mailq":
		return append([]string{"sendmail", "-bp"}, args[1:]...)
	case "newaliases":
		return []string{"sendmail", "-bi"}
	}
	return args[1:]
}

// submission is what sendmail's options say.
type submission struct {
	mode       byte     // of -b: m, s, p, i
	sender     *string  // of -f
	name       string   // of -F, the sender's in words
	fromHeader bool     // -t: recipients are in the header too
	dots       bool     // -i: a line with a dot alone is content
	config     string   // of -C, for mailq
	relay      string   // of -O relay=, host:port or unix:/path
	rcpt       []string // as given
}

const sendmailHelp = `Usage: heyrelay sendmail [-t] [-i] [-f SENDER] [-F NAME] [-O relay=ADDRESS] [RECIPIENT ...] <MESSAGE

Hands a message to the relay: on ADDRESS (host:port or unix:/path), or where
SENDMAIL_RELAY says, or on /run/heyrelay/smtp.sock, or on 127.0.0.1:2525.

  -t              recipients are in To, Cc and Bcc too
  -i, -oi         a line with a dot alone does not end the message
  -f, -r SENDER   the envelope sender; <> is nobody
  -F NAME         the sender's name, where the message has no From
  -bs             speaks SMTP on standard input and output
  -bp [-C FILE]   lists what waits, as mailq does

Other options of sendmail are taken and do nothing.
`

// Run does what sendmail would.
func (c mailerCmd) Run(p *program) error {
	if slices.Equal(c.Args, []string{"--help"}) {
		_, err := io.WriteString(p.stdout, sendmailHelp)
		return err
	}
	s, err := parseSendmail(c.Args)
	if err != nil {
		return coded{exUsage, err}
	}
	if s.relay == "" {
		s.relay = p.relay()
	}
	switch s.mode {
	case 'm':
		return s.deliver(p)
	case 's':
		return s.converse(p)
	case 'p':
		return s.list(p)
	}
	return nil // no aliases are kept, and the queue is run by serve
}

// relay is where mail is handed over, where no option says so.
func (p *program) relay() string {
	for _, e := range p.environ {
		if address, ok := strings.CutPrefix(e, "SENDMAIL_RELAY="); ok && address != "" {
			return address
		}
	}
	const socket = "/run/heyrelay/smtp.sock"
	if _, err := os.Stat(socket); err == nil {
		return "unix:" + socket
	}
	return "127.0.0.1:2525"
}

// valued are the options that have a value, in the same argument or the next.
const valued = "ABCFLMNORVXbfhopr"

// parseSendmail reads a command line as getopt does: options can be joined (-ti).
func parseSendmail(args []string) (*submission, error) {
	s := &submission{mode: 'm'}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			s.rcpt = append(s.rcpt, args[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			s.rcpt = append(s.rcpt, arg)
			continue
		}
		for letters := arg[1:]; letters != ""; {
			letter, rest := letters[0], letters[1:]
			value := ""
			switch {
			case letter == 'q' || letter == 'd' || letter == 'e': // the value is optional
				value, rest = rest, ""
			case strings.IndexByte(valued, letter) >= 0:
				if value, rest = rest, ""; value == "" {
					if i++; i == len(args) {
						return nil, fmt.Errorf("option -%c has no value", letter)
					}
					value = args[i]
				}
			}
			if err := s.option(letter, value); err != nil {
				return nil, err
			}
			letters = rest
		}
	}
	return s, nil
}

// option takes one option. Those that have no meaning for a relay are taken and do
// nothing, as callers expect.
func (s *submission) option(letter byte, value string) error {
	switch letter {
	case 't':
		s.fromHeader = true
	case 'i':
		s.dots = true
	case 'o':
		s.dots = s.dots || value == "i"
	case 'f', 'r':
		value = strings.Trim(value, "<>")
		s.sender = &value
	case 'F':
		s.name = value
	case 'C':
		s.config = value
	case 'O':
		if relay, ok := strings.CutPrefix(value, "relay="); ok {
			s.relay = relay
		}
		s.dots = s.dots || strings.EqualFold(value, "IgnoreDots=true") || strings.EqualFold(value, "IgnoreDots")
	case 'q':
		s.mode = 'i'
	case 'b':
		if !slices.Contains([]string{"m", "s", "p", "i"}, value) {
			return fmt.Errorf("-b%s is not done here; heyrelay serve runs the relay", value)
		}
		s.mode = value[0]
	case 'A', 'B', 'G', 'L', 'M', 'N', 'R', 'U', 'V', 'X', 'c', 'd', 'e', 'h', 'm', 'n', 'p', 's', 'v', 'x':
	default:
		return fmt.Errorf("unknown option -%c", letter)
	}
	return nil
}

// deliver hands the message on standard input to the relay.
func (s *submission) deliver(p *program) error {
	text, err := readMessage(p.stdin, s.dots)
	if err != nil {
		return coded{exIOErr, err}
	}
	m, err := s.compose(text)
	if err != nil {
		return err
	}
	client, err := s.dial(p)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := hand(client, m); err != nil {
		var reply *textproto.Error
		if errors.As(err, &reply) && reply.Code >= 500 {
			return coded{exUnavailable, fmt.Errorf("the relay on %s refuses the message, nothing was sent: %w", s.relay, err)}
		}
		return coded{exTempFail, fmt.Errorf("the relay on %s cannot take the message now, nothing was sent: %w", s.relay, err)}
	}
	return nil
}

// connect opens a connection to the relay.
func (s *submission) connect(p *program) (net.Conn, error) {
	network, address := "tcp", s.relay
	if path, ok := strings.CutPrefix(s.relay, "unix:"); ok {
		network, address = "unix", path
	}
	conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(p.ctx, network, address)
	if err != nil {
		return nil, coded{exTempFail, fmt.Errorf("the relay is not there, try again later: %w; is heyrelay serve running?", err)}
	}
	return conn, nil
}

func (s *submission) dial(p *program) (*smtp.Client, error) {
	conn, err := s.connect(p)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		return nil, err
	}
	client, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return nil, coded{exTempFail, fmt.Errorf("the relay on %s does not greet: %w", s.relay, err)}
	}
	return client, nil
}

// hand is one transaction. All recipients are taken, or nobody gets the message.
func hand(client *smtp.Client, m *composed) error {
	if err := client.Mail(m.sender); err != nil {
		return err
	}
	for _, to := range m.rcpt {
		if err := client.Rcpt(to); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = client.Quit() // it is taken over; what follows does not matter
	return nil
}

// converse speaks SMTP on standard input and output: what comes goes to the relay,
// with the line ends that SMTP wants.
func (s *submission) converse(p *program) error {
	conn, err := s.connect(p)
	if err != nil {
		return err
	}
	defer conn.Close()
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for in, more := bufio.NewReader(p.stdin), true; more; {
			line, err := in.ReadString('\n')
			if text, whole := strings.CutSuffix(line, "\n"); whole {
				line = strings.TrimSuffix(text, "\r") + "\r\n"
			}
			_, sent := io.WriteString(conn, line)
			more = err == nil && sent == nil
		}
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	})
	if _, err = io.Copy(p.stdout, conn); err != nil {
		return coded{exTempFail, err}
	}
	if in, ok := p.stdin.(io.Closer); ok { // ends the other direction
		_ = in.Close()
	}
	return nil
}

// list shows what waits.
func (s *submission) list(p *program) error {
	args := []string{"queue", "list"}
	if s.config != "" {
		args = append(args, "-c", s.config)
	}
	if code := p.run(args); code != exitOK {
		return coded{code, errQuiet}
	}
	return nil
}
