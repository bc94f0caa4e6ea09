package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"heyrelay/internal/config"
	"heyrelay/internal/relay"
	"heyrelay/internal/sandbox"
)

type demoCmd struct {
	Dir string `type:"path" placeholder:"FOLDER" help:"Keep the spool here; without it, it goes when the demo ends."`
}

// demoConfig is the whole configuration of the demo: the one inbox and the one
// secret that every sandbox has.
const demoConfig = `
hostname: localhost
listeners: [{address: %q}]
heymarket: {base_url: "http://%s"}
teams:
  demo: {secrets: [{id: %q, key: "${KEY}"}]}
routes:
  - {name: demo, inbox: %d, creator_id: %d, attachments: drop}
spool: {url: %q}
`

// Run runs relay and sandbox until the process is told to stop.
func (c demoCmd) Run(p *program) error {
	dir, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer remove()
	api, err := listenNear("127.0.0.1:8026")
	if err != nil {
		return err
	}
	smtp, err := freeAddress("127.0.0.1:2525")
	if err != nil {
		return errors.Join(err, api.Close())
	}
	team := sandbox.DemoTeam()
	text := fmt.Sprintf(demoConfig, smtp, api.Addr(), sandbox.DemoSecretID,
		team.Inboxes[0].ID, team.Inboxes[0].Members[0].ID, "sqlite:"+filepath.Join(dir, "heyrelay.db"))
	cfg, err := config.Parse("demo", []byte(text), func(string) (string, bool) { return sandbox.DemoSecretKey, true })
	if err != nil {
		return errors.Join(err, api.Close())
	}

	ctx, stop := context.WithCancel(p.ctx)
	defer stop()
	var fake sync.WaitGroup
	var fakeErr error
	fake.Go(func() {
		defer stop()
		fakeErr = serveHTTP(ctx, api, sandbox.New(sandbox.Options{RatePerMinute: 500}))
	})
	err = serve(ctx, cfg, relay.Parts{Sink: live{out: p.stdout}}, func(g *relay.Relay) {
		fmt.Fprintf(p.stdout, demoText, g.Addrs()[0], api.Addr(), dir)
	})
	stop()
	fake.Wait()
	return errors.Join(err, fakeErr)
}

const demoText = `
  heyrelay is running.

    SMTP      %[1]s       your application's mail relay
    sandbox   http://%[2]s   plays the API; what it accepted: http://%[2]s/sandbox/messages
    spool     %[3]s

  Paste this into another terminal:

    swaks --server %[1]s --from app@example.com --to alice@example.com --header 'Message-Id: <ticket-1@example.com>' --header 'Subject: Printer on fire' --body 'It burns.'

  and then a reply, which lands in the same conversation:

    swaks --server %[1]s --from app@example.com --to alice@example.com --header 'In-Reply-To: <ticket-1@example.com>' --header 'Subject: Re: Printer on fire' --body 'It still burns.'

  Ctrl-C ends it.

`

// folder is where the spool goes, and how to tidy up.
func (c demoCmd) folder() (dir string, remove func(), err error) {
	if c.Dir != "" {
		return c.Dir, func() {}, os.MkdirAll(c.Dir, 0o700)
	}
	dir, err = os.MkdirTemp("", "heyrelay-demo-")
	return dir, func() { os.RemoveAll(dir) }, err
}

// listenNear listens on address, or on another free port where it is taken.
func listenNear(address string) (net.Listener, error) {
	if l, err := net.Listen("tcp", address); err == nil {
		return l, nil
	}
	host, _, _ := net.SplitHostPort(address)
	return net.Listen("tcp", net.JoinHostPort(host, "0"))
}

// freeAddress is address, or one with another port where it is taken.
func freeAddress(address string) (string, error) {
	l, err := listenNear(address)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
