package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/mail"
	"net/smtp"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
)

type tryCmd struct {
	configured
	Address  string        `arg:"" help:"Who gets the two mails: an address of your own."`
	From     string        `placeholder:"ADDRESS" help:"The envelope sender, where your routes look at it (heyrelay@ your hostname)."`
	User     string        `placeholder:"NAME" help:"Log in as this user, where the listener wants a password."`
	Password string        `name:"password-file" type:"path" placeholder:"FILE" help:"The file that holds the user's password."`
	Wait     time.Duration `default:"1m" help:"How long to wait for each answer (${default})."`
}

const tryMail = "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: <%s>\r\n%sDate: %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n"

// Run sends a mail and a reply through the running relay, and shows where both
// ended up.
func (c tryCmd) Run(p *program) error {
	if _, err := mail.ParseAddress(c.Address); err != nil {
		return fmt.Errorf("%s: %w", c.Address, err)
	}
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	if c.From == "" {
		c.From = "heyrelay@" + cfg.Hostname
	}
	first, second := uuid.NewString()+"@"+cfg.Hostname, uuid.NewString()+"@"+cfg.Hostname
	opened, err := c.send(p, cfg, "heyrelay test", first, "", "This is a test of heyrelay. A reply in the same conversation follows.")
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "mail:   convo_id %d\n", opened)
	replied, err := c.send(p, cfg, "Re: heyrelay test", second, "In-Reply-To: <"+first+">\r\n", "This reply belongs to the conversation of the mail before.")
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "reply:  convo_id %d\n", replied)
	if opened != replied {
		return errors.New("the reply is not in the conversation of the mail: see heyrelay queue list")
	}
	return nil
}

// send hands one mail to the relay's first listener and waits until it is sent.
func (c tryCmd) send(p *program, cfg *config.Config, subject, id, cites, body string) (convoID int64, err error) {
	text := fmt.Sprintf(tryMail, c.From, c.Address, subject, id, cites, time.Now().Format(time.RFC1123Z), body)
	queueID, err := c.submit(p, cfg.Listeners[0], text)
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
func (c tryCmd) submit(p *program, l config.Listener, text string) (queueID string, err error) {
	client, err := dialSMTP(p.ctx, l)
	if err != nil {
		return "", fmt.Errorf("%w; start heyrelay serve first", err)
	}
	defer client.Close()
	if err := c.login(client, l); err != nil {
		return "", err
	}
	if err := client.Mail(c.From); err != nil {
		return "", err
	}
	if err := client.Rcpt(c.Address); err != nil {
		return "", err
	}
	// smtp.Client.Data keeps the reply to itself, so DATA is spoken here.
	command, err := client.Text.Cmd("DATA")
	if err != nil {
		return "", err
	}
	client.Text.StartResponse(command)
	_, _, err = client.Text.ReadResponse(354)
	client.Text.EndResponse(command)
	if err != nil {
		return "", err
	}
	w := client.Text.DotWriter()
	if _, err := w.Write([]byte(text)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	_, reply, err := client.Text.ReadResponse(250)
	if err != nil {
		return "", err
	}
	m := queued.FindStringSubmatch(reply)
	if m == nil {
		return "", fmt.Errorf("the server that answers there is not heyrelay: %q", reply)
	}
	return m[1], client.Quit()
}

// login says who sends, where a user is given.
func (c tryCmd) login(client *smtp.Client, l config.Listener) error {
	if c.User == "" {
		return nil
	}
	password, err := os.ReadFile(c.Password)
	if err != nil {
		return fmt.Errorf("--password-file: %w", err)
	}
	if l.TLS == config.TLSStart {
		// It is our own listener, and its certificate may well name another host.
		if err := client.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
			return err
		}
	}
	return client.Auth(smtp.PlainAuth("", c.User, strings.TrimSpace(string(password)), "localhost"))
}

// await asks the spool until the message is sent or has failed.
func (c tryCmd) await(p *program, r spool.Reader, queueID string) (convoID int64, err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(c.Wait)
	last := "it waits"
	for {
		story, err := r.Show(p.ctx, queueID)
		if err != nil {
			return 0, err
		}
		q := story.Requests[0]
		switch q.State {
		case spool.Sent.String():
			return q.ConvoID, nil
		case spool.Failed.String(), spool.Flagged.String(), spool.Dropped.String():
			return 0, fmt.Errorf("message %s is %s: %s", queueID, q.State, q.Reason)
		}
		if q.Reason != "" {
			last = q.Reason
		}
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		case <-late:
			return 0, fmt.Errorf("message %s is not sent after %s, it stays queued; last: %s", queueID, c.Wait, last)
		}
	}
}
