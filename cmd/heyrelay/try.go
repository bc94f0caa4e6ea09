package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
)

type tryCmd struct {
	configured
	Address  string        `arg:"" help:"The recipient of both mails: use your own address."`
	From     string        `placeholder:"ADDRESS" help:"The envelope sender (heyrelay@ and your host name)."`
	User     string        `placeholder:"NAME" and:"login" help:"Log in as this user, if the listener requires a login."`
	Password string        `name:"password-file" type:"path" and:"login" placeholder:"FILE" help:"File with its password."`
	Wait     time.Duration `default:"1m" help:"How long to wait until each mail is sent (${default})."`
}

// Run sends a mail and a reply through the running relay, and prints the
// conversation of each.
func (c tryCmd) Run(p *program) error {
	if _, err := mail.ParseAddress(c.Address); err != nil {
		return fmt.Errorf("%q is not an address: write one such as you@example.com", c.Address)
	}
	cfg, err := c.load(p, config.WithoutSecrets)
	if err != nil {
		return err
	}
	for _, r := range cfg.Routes {
		if r.Shadow.Next != "" {
			return fmt.Errorf("route %s passes its mail on to %s, and sends nothing to Heymarket: "+
				"see heyrelay queue list --state shadowed", r.Name, r.Shadow.Next)
		}
	}
	if c.From == "" {
		c.From = "heyrelay@" + cfg.Hostname
	}
	first, err := c.header(cfg, "heyrelay test")
	if err != nil {
		return err
	}
	opened, err := c.send(p, cfg, first, "This is a test of heyrelay. A reply in the same conversation follows.")
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "mail:   convo_id %d\n", opened)
	second, err := c.header(cfg, "Re: heyrelay test")
	if err != nil {
		return err
	}
	second.Set("In-Reply-To", first.Get("Message-Id"))
	replied, err := c.send(p, cfg, second, "This reply belongs to the conversation of the first mail.")
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "reply:  convo_id %d\n", replied)
	if opened != replied {
		return errors.New("the reply did not join the conversation of the first mail; see heyrelay queue list")
	}
	return nil
}

// header is the header of a mail with an id of its own.
func (c tryCmd) header(cfg *config.Config, subject string) (h mail.Header, err error) {
	h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	h.SetDate(time.Now())
	h.SetSubject(subject)
	h.SetAddressList("To", []*mail.Address{{Address: c.Address}})
	h.SetAddressList("From", []*mail.Address{{Address: c.From}})
	return h, h.GenerateMessageIDWithHostname(cfg.Hostname)
}

// send submits a mail to the relay's first listener and waits until it is sent.
func (c tryCmd) send(p *program, cfg *config.Config, h mail.Header, body string) (convoID int64, err error) {
	var text bytes.Buffer
	w, err := mail.CreateSingleInlineWriter(&text, h)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write([]byte(body + "\r\n")); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	queueID, err := c.submit(p, cfg.Listeners[0], text.Bytes())
	if err != nil {
		return 0, err
	}
	err = c.read(p, func(r spool.Reader) error {
		convoID, err = c.await(p, r, queueID)
		return err
	})
	return convoID, err
}

// queued finds the queue id in the reply to DATA.
var queued = regexp.MustCompile(`queued as (\S+)`)

// submit sends one mail by SMTP and returns its queue id.
func (c tryCmd) submit(p *program, l config.Listener, text []byte) (queueID string, err error) {
	client, err := c.connect(p, l)
	if err != nil {
		return "", err
	}
	defer client.Close()
	if err := client.Mail(c.From, nil); err != nil {
		return "", refused(err)
	}
	if err := client.Rcpt(c.Address, nil); err != nil {
		return "", err
	}
	w, err := client.Data()
	if err != nil {
		return "", err
	}
	if _, err := w.Write(text); err != nil {
		return "", err
	}
	reply, err := w.CloseWithResponse()
	if err != nil {
		return "", err
	}
	m := queued.FindStringSubmatch(reply.StatusText)
	if m == nil {
		return "", fmt.Errorf("the server at this address is not heyrelay: %q", reply.StatusText)
	}
	return m[1], client.Quit()
}

// connect opens a session, and logs in where a user is given.
func (c tryCmd) connect(p *program, l config.Listener) (*smtp.Client, error) {
	login := sasl.Client(nil)
	if c.User != "" {
		password, err := os.ReadFile(c.Password)
		if err != nil {
			return nil, fmt.Errorf("--password-file: %w", err)
		}
		login = sasl.NewPlainClient("", c.User, strings.TrimSpace(string(password)))
	}
	client, err := dialSMTP(p.ctx, l, login != nil)
	if err != nil {
		return nil, fmt.Errorf("%w; start heyrelay serve first", err)
	}
	if login == nil {
		return client, nil
	}
	if err := client.Auth(login); err != nil {
		return nil, errors.Join(fmt.Errorf("%w; check --user and --password-file", err), client.Close())
	}
	return client, nil
}

// loginRequired is the reply to a client that must log in (RFC 4954, section 6).
const loginRequired = 530

// refused says what to do about an error of MAIL.
func refused(err error) error {
	var reply *smtp.SMTPError
	if errors.As(err, &reply) && reply.Code == loginRequired {
		return fmt.Errorf("%w; log in with --user and --password-file", err)
	}
	return err
}

// await reads the spool until the message is sent or has failed.
func (c tryCmd) await(p *program, r spool.Reader, queueID string) (convoID int64, err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(c.Wait)
	last := "pending"
	for {
		message, err := r.Show(p.ctx, queueID)
		if err != nil {
			return 0, err
		}
		request := message.Requests[0]
		switch request.State {
		case spool.Sent.String():
			return request.ConvoID, nil
		case spool.Failed.String(), spool.Flagged.String(), spool.Dropped.String():
			return 0, fmt.Errorf("message %s is %s: %s", queueID, request.State, request.Reason)
		}
		if request.Reason != "" {
			last = request.Reason
		}
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		case <-late:
			return 0, fmt.Errorf("message %s was not sent within %s and stays queued; last state: %s",
				queueID, c.Wait, last)
		}
	}
}
