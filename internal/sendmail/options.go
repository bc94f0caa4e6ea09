package sendmail

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-smtp"

	"heyrelay/mimeconv"
)

// mode is what the command does.
type mode int

const (
	delivery mode = iota // -bm
	dialogue             // -bs
	listing              // -bp
	nothing              // -bi, -q
)

// submission is what the options mean.
type submission struct {
	mode       mode
	sender     *string          // of -f
	name       string           // of -F
	fromHeader bool             // -t: recipients are in the header too
	dots       bool             // -i: a line with a single dot is content
	config     string           // of -C, for -bp
	relay      string           // of -O relay=: host:port or unix:/path
	rcpt       []string         // as given, without brackets
	notify     []smtp.DSNNotify // of -N
	ret        smtp.DSNReturn   // of -R
	envelopeID string           // of -V
}

// The options of sendmail 8.18 and Postfix 3.9. Those with a value have it in the
// same argument or in the next. The value of -q and -Q is optional: it is not in the
// next argument if that is an option. That of -d is a number or a range of numbers.
const (
	valued   = "ABCDFLMNORVXbefhopr"
	optional = "dqQ"
	flags    = "GITUcimnstvx"
)

// parse reads a command line as getopt does: options can be joined (-ti).
func parse(args []string) (*submission, error) {
	s := &submission{}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return s, s.addRecipients(args...)
		case len(arg) < 2 || arg[0] != '-':
			if err := s.addRecipients(arg); err != nil {
				return nil, err
			}
		default:
			var err error
			args, err = s.options(arg[1:], args)
			if err != nil {
				return nil, failure{exUsage, err}
			}
		}
	}
	return s, nil
}

// options reads the options of one argument, and their value from the next ones. It
// returns the arguments that are left.
func (s *submission) options(letters string, args []string) ([]string, error) {
	for letters != "" {
		letter := letters[0]
		letters = letters[1:]
		value := ""
		switch {
		case strings.IndexByte(valued+optional, letter) >= 0:
			value = letters
			letters = ""
			switch {
			case value != "":
			case len(args) > 0 && mayBeValue(letter, args[0]):
				value = args[0]
				args = args[1:]
			case strings.IndexByte(valued, letter) >= 0:
				return nil, fmt.Errorf("option -%c needs a value", letter)
			}
		case strings.IndexByte(flags, letter) < 0:
			return nil, fmt.Errorf("unknown option -%c; see heyrelay sendmail --help", letter)
		}
		if err := s.option(letter, value); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// mayBeValue reports whether the argument after an option can be its value.
func mayBeValue(letter byte, next string) bool {
	switch {
	case letter == 'd':
		return next != "" && strings.Trim(next, "0123456789-.,") == ""
	case strings.IndexByte(optional, letter) >= 0:
		return !strings.HasPrefix(next, "-")
	}
	return true
}

// option sets what one option means. The others mean nothing to a relay.
func (s *submission) option(letter byte, value string) (err error) {
	switch letter {
	case 't':
		s.fromHeader = true
	case 'i':
		s.dots = true
	case 'o':
		s.dots = s.dots || value == "i"
	case 'f', 'r':
		return s.setSender(value)
	case 'F':
		s.name = value
	case 'C':
		s.config = value
	case 'O':
		if relay, ok := strings.CutPrefix(value, "relay="); ok {
			s.relay = relay
		}
		s.dots = s.dots || strings.EqualFold(value, "IgnoreDots=true") || strings.EqualFold(value, "IgnoreDots")
	case 'N':
		s.notify, err = notifyOf(value)
	case 'R':
		s.ret, err = returnOf(value)
	case 'V':
		return s.setEnvelopeID(value)
	case 'q', 'I':
		s.mode = nothing
	case 'b':
		return s.setMode(value)
	}
	return err
}

func (s *submission) setMode(value string) error {
	modes := map[string]mode{"m": delivery, "s": dialogue, "p": listing, "i": nothing}
	m, ok := modes[value]
	if !ok {
		return fmt.Errorf("-b%s is not supported; heyrelay serve runs the relay", value)
	}
	s.mode = m
	return nil
}

func (s *submission) setSender(value string) error {
	list := addresses(value)
	switch {
	case len(list) == 0 && strings.Trim(value, "<> ") == "":
		list = []string{""}
	case len(list) != 1:
		return fmt.Errorf("-f %q is not one address", value)
	}
	s.sender = &list[0]
	return nil
}

// setEnvelopeID takes an ENVID as RFC 3461, section 4.4, bounds it.
func (s *submission) setEnvelopeID(value string) error {
	if len(value) > 100 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("-V needs at most 100 printable ASCII characters")
	}
	s.envelopeID = value
	return nil
}

var conditions = []smtp.DSNNotify{
	smtp.DSNNotifyNever, smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed, smtp.DSNNotifySuccess,
}

// notifyOf reads the conditions of a report (RFC 3461, section 4.1).
func notifyOf(value string) (list []smtp.DSNNotify, err error) {
	for name := range strings.SplitSeq(strings.ToUpper(value), ",") {
		n := smtp.DSNNotify(strings.TrimSpace(name))
		if !slices.Contains(conditions, n) {
			return nil, fmt.Errorf("-N %q: use never, or a list of failure, delay, success", value)
		}
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	if len(list) > 1 && slices.Contains(list, smtp.DSNNotifyNever) {
		return nil, fmt.Errorf("-N %q: never excludes the others", value)
	}
	return list, nil
}

// returnOf reads what a report is to return (RFC 3461, section 4.3).
func returnOf(value string) (smtp.DSNReturn, error) {
	switch r := smtp.DSNReturn(strings.ToUpper(value)); r {
	case smtp.DSNReturnFull, smtp.DSNReturnHeaders:
		return r, nil
	}
	return "", fmt.Errorf("-R %q: use hdrs or full", value)
}

// addRecipients adds arguments that are addresses or lists of them.
func (s *submission) addRecipients(args ...string) error {
	for _, arg := range args {
		list := addresses(arg)
		if len(list) == 0 && strings.TrimSpace(arg) != "" {
			return failure{exUsage, fmt.Errorf("recipient %q is not an address", arg)}
		}
		s.rcpt = append(s.rcpt, list...)
	}
	return nil
}

// addresses reads an argument as sendmail does: as a list with names, comments and
// commas, as in a header field, or as addresses with blanks between them.
func addresses(arg string) (list []string) {
	if !strings.ContainsAny(arg, `,;<("`) {
		return strings.Fields(arg)
	}
	arg = strings.Join(strings.Fields(arg), " ") // on one line
	h, err := mimeconv.ReadHeader([]byte("To: " + arg + "\r\n\r\n"))
	if err != nil {
		return nil
	}
	for _, a := range h.To {
		list = append(list, a.Addr)
	}
	return list
}
