// Package sendmail is the sendmail command: it takes mail from programs that call
// sendmail and submits it to the relay by SMTP.
//
// The command line is sendmail's and Postfix's. Options that configure a mail server
// are accepted and do nothing. The message gets a sender, a Date and a Message-ID
// where it has none, and loses its Bcc; the relay does the rest.
package sendmail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
)

// Exit codes of sysexits.h.
const (
	exOK          = 0
	exUsage       = 64 // invalid command line
	exDataErr     = 65 // unusable message
	exUnavailable = 69 // the relay refuses the message
	exIOErr       = 74 // the message cannot be read
	exTempFail    = 75 // the relay cannot be reached or asks to try again
)

// Command is what a call of sendmail works with.
type Command struct {
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Environ []string // as os.Environ

	// Dial connects to the relay; nil: net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// List prints the queue for -bp and returns the exit code. config is the argument
	// of -C, empty where there is none.
	List func(config string) (code int)
}

// failure is an error with its exit code.
type failure struct {
	code int
	error
}

// Unwrap returns the cause.
func (f failure) Unwrap() error { return f.error }

const help = `Usage: heyrelay sendmail [OPTION ...] [RECIPIENT ...] <MESSAGE

Submits a message to the relay at the address that -O relay=ADDRESS or
SENDMAIL_RELAY names (host:port or unix:/path); otherwise at
/run/heyrelay/smtp.sock if that exists, or 127.0.0.1:2525. A recipient can be
a list of addresses.

  -t              also send to the addresses in To, Cc and Bcc
  -i, -oi         do not end the message at a line with a single dot
  -f, -r SENDER   set the envelope sender; <> is the null sender
  -F NAME         set the sender's name, if the message has no From
  -N CONDITIONS   request reports: never, or failure, delay, success
  -R hdrs|full    request the header or the whole message in reports
  -V ENVID        set the envelope id that reports quote
  -bs             speak SMTP on standard input and output
  -bp [-C FILE]   list the queue, as mailq does
  -bi, -q         do nothing, successfully: there is no alias database, and
                  heyrelay serve runs the queue

Other options of sendmail are accepted and ignored.

Exit codes: 64 invalid command line, 65 unusable message, 69 refused by the
relay, 74 the message cannot be read, 75 temporary failure.
`

// Run runs sendmail with the given arguments and returns the exit code.
func (c *Command) Run(ctx context.Context, args []string) (code int) {
	if slices.Equal(args, []string{"--help"}) {
		_, _ = io.WriteString(c.Stdout, help)
		return exOK
	}
	s, err := parse(args)
	if err == nil && s.mode == listing {
		return c.List(s.config)
	}
	if err == nil {
		err = c.submit(ctx, s)
	}
	if err == nil {
		return exOK
	}
	fmt.Fprintln(c.Stderr, "heyrelay: "+err.Error())
	var own failure
	if errors.As(err, &own) {
		return own.code
	}
	return exTempFail
}

// submit does what s asks for.
func (c *Command) submit(ctx context.Context, s *submission) error {
	r := relay{dial: c.Dial, address: cmp.Or(s.relay, c.relay())}
	switch s.mode {
	case dialogue:
		return r.converse(ctx, c.Stdin, c.Stdout)
	case nothing:
		return nil
	}
	text, err := readMessage(c.Stdin, s.dots)
	if err != nil {
		return failure{exIOErr, err}
	}
	m, err := s.compose(text)
	if err != nil {
		return err
	}
	return r.submit(ctx, m)
}

// relay is the address of the relay where no option names one.
func (c *Command) relay() string {
	for _, e := range c.Environ {
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
