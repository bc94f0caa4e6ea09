package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
)

type discardCmd struct {
	Address string `help:"host:port to listen on." default:"127.0.0.1:0"`
}

// Run serves until ctx ends.
func (c discardCmd) Run(ctx context.Context) error {
	return serve(ctx, c.Address, func(_ string, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
}

type gatewayCmd struct {
	Address string `help:"host:port to listen on." default:"127.0.0.1:0"`
	API     string `name:"api" help:"base URL of the API." required:""`
}

// Run serves until ctx ends. A message gets its reply when the API has answered.
func (c gatewayCmd) Run(ctx context.Context) error {
	var ids atomic.Int64
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: patience}
	return serve(ctx, c.Address, func(to string, r io.Reader) error {
		message, err := mail.ReadMessage(r)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(message.Body)
		if err != nil {
			return err
		}
		call, err := json.Marshal(map[string]any{
			"inbox":      202,
			"creator_id": 55,
			"local_id":   fmt.Sprint("gateway-", ids.Add(1)),
			"targets":    []string{"to:" + to},
			"conv_title": message.Header.Get("Subject"),
			"text":       string(text),
		})
		if err != nil {
			return err
		}
		return post(ctx, client, c.API+"/v1/email/send", call)
	})
}

func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer none")
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil { // so that the connection is kept
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// serve serves SMTP until ctx ends, and has a function take each message.
func serve(ctx context.Context, address string, take func(to string, r io.Reader) error) error {
	l, err := listen(address)
	if err != nil {
		return err
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{take: take}, nil }))
	server.Domain = domain
	server.MaxMessageBytes = 64 << 20
	server.ReadTimeout = time.Minute
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // it closes what is open
	return unlessClosed(server.Serve(l), smtp.ErrServerClosed)
}

// session is an SMTP session that accepts every sender and recipient.
type session struct {
	take func(to string, r io.Reader) error
	to   string
}

// Mail accepts a sender.
func (*session) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt accepts a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

// Data has the message taken.
func (s *session) Data(r io.Reader) error { return s.take(s.to, r) }

// Reset does nothing: the next recipient takes the place of the last.
func (*session) Reset() {}

// Logout does nothing.
func (*session) Logout() error { return nil }
