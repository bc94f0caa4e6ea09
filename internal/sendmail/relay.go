package sendmail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// relay is the way to the relay.
type relay struct {
	dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer's
	address string                                                               // host:port or unix:/path
}

// connect opens a connection to the relay.
func (r relay) connect(ctx context.Context) (net.Conn, error) {
	network, address := "tcp", r.address
	if path, ok := strings.CutPrefix(r.address, "unix:"); ok {
		network, address = "unix", path
	}
	dial := r.dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: time.Minute}).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		err = fmt.Errorf("cannot reach the relay, try again later: %w; is heyrelay serve running?", err)
		return nil, failure{exTempFail, err}
	}
	return conn, nil
}

// submit sends a message in one transaction: all recipients are accepted, or nobody
// gets it.
func (r relay) submit(ctx context.Context, m *message) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := smtp.NewClient(conn)
	if err := client.Hello("localhost"); err != nil {
		return failure{exTempFail, fmt.Errorf("the relay at %s does not greet: %w", r.address, err)}
	}
	err = transaction(client, m)
	var reply *smtp.SMTPError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reply) && reply.Code >= 500:
		err = fmt.Errorf("the relay at %s refused the message; nothing was sent: %w", r.address, err)
		return failure{exUnavailable, err}
	case errors.As(err, new(unconfirmed)):
		err = fmt.Errorf("the relay at %s did not reply to the message, which it may have accepted: %w", r.address, err)
		return failure{exTempFail, err}
	}
	err = fmt.Errorf("the relay at %s cannot take the message now; nothing was sent: %w", r.address, err)
	return failure{exTempFail, err}
}

// unconfirmed is an error after the whole message was sent: the relay may have accepted it.
type unconfirmed struct{ error }

func transaction(client *smtp.Client, m *message) error {
	utf8, _ := client.Extension("SMTPUTF8")
	o := &smtp.MailOptions{Size: int64(len(m.text)), UTF8: utf8, Return: m.ret, EnvelopeID: m.envelopeID}
	if err := client.Mail(m.sender, o); err != nil {
		return err
	}
	for _, to := range m.rcpt {
		if err := client.Rcpt(to, &smtp.RcptOptions{Notify: m.notify}); err != nil {
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
	err = w.Close()
	if err != nil && !errors.As(err, new(*smtp.SMTPError)) {
		return unconfirmed{err}
	}
	if err != nil {
		return err
	}
	_ = client.Quit() // the message is accepted
	return nil
}

// converse copies SMTP between in, out and the relay, with the line ends that SMTP
// needs towards it.
func (r relay) converse(ctx context.Context, in io.Reader, out io.Writer) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	go copyLines(conn, in) // not waited for: after QUIT, a client may keep in open until we end
	if _, err := io.Copy(out, conn); err != nil {
		return failure{exTempFail, err}
	}
	return nil
}

// copyLines sends lines until one side ends.
func copyLines(conn net.Conn, in io.Reader) {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if text, whole := strings.CutSuffix(line, "\n"); whole {
			line = strings.TrimSuffix(text, "\r") + "\r\n"
		}
		_, failed := io.WriteString(conn, line)
		if err != nil || failed != nil {
			break
		}
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
