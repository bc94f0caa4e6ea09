package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"heyrelay/internal/config"
	"heyrelay/internal/relay"
	"heyrelay/internal/sandbox"
)

type demoCmd struct {
	Dir string `type:"path" placeholder:"DIRECTORY" help:"Keep spool and files in this directory (a temporary one)."`
}

// demoConfig is the configuration of the demo: one inbox, and the secret of every
// sandbox. A message can have a file of 25 MB, which grows on its way.
const demoConfig = `
hostname: localhost
listeners: [{address: %q}]
limits: {message_size: 35MB}
heymarket: {base_url: "http://%s"}
teams:
  demo: {secrets: [{id: %q, key: "${KEY}"}]}
routes:
  - {name: demo, inbox: %d, creator_id: %d, attachments: link, inline_images: link}
spool: {url: %q}
blobs: {url: %q, listen: %[8]q, public_url: "http://%[8]s"}
console: {address: %[9]q}
`

// Run runs relay and sandbox until the process is stopped.
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
	cfg, err := configureDemo(dir, api.Addr())
	if err != nil {
		return errors.Join(err, api.Close())
	}
	ctx, stop := context.WithCancel(p.ctx)
	defer stop()
	var running sync.WaitGroup
	var apiErr error
	running.Go(func() {
		defer stop()
		apiErr = serveHTTP(ctx, api, newSandbox(sandbox.APIRate, "http://"+cfg.Console.Address))
	})
	fixed := func() *config.Config { return cfg }
	parts := relay.Parts{Sink: live{out: p.stdout}, Sandbox: "http://" + api.Addr().String()}
	err = serve(ctx, cfg, fixed, parts, func(g *relay.Relay) {
		fmt.Fprintf(p.stdout, demoText, g.Addrs()[0], api.Addr(), dir, g.ConsoleURL(), g.FilesAddr())
	})
	stop()
	running.Wait()
	return errors.Join(err, apiErr)
}

// configureDemo returns the configuration of the demo, with addresses that are free.
func configureDemo(dir string, api net.Addr) (*config.Config, error) {
	smtp, err := freeAddress("127.0.0.1:2525")
	if err != nil {
		return nil, err
	}
	console, err := freeAddress("127.0.0.1:8025")
	if err != nil {
		return nil, err
	}
	files, err := freeAddress("127.0.0.1:8027")
	if err != nil {
		return nil, err
	}
	team := sandbox.DemoTeam()
	text := fmt.Sprintf(demoConfig, smtp, api, sandbox.DemoSecretID,
		team.Inboxes[0].ID, team.Inboxes[0].Members[0].ID, "sqlite:"+filepath.Join(dir, "heyrelay.db"),
		folderURL(filepath.Join(dir, "blobs")), files, console)
	return config.Parse("demo", []byte(text), func(string) (string, bool) { return sandbox.DemoSecretKey, true })
}

const demoText = `
  heyrelay is running. Open its console:

    %[4]s

    SMTP      %[1]s   the relay for your applications
    sandbox   http://%[2]s   simulates the API and sends nothing
    accepted  http://%[2]s/sandbox/messages
    files     http://%[5]s   serves linked attachments
    spool     %[3]s

  Send a message from another terminal:

    swaks --server %[1]s --from app@example.com --to alice@example.com \
      --header 'Message-Id: <ticket-1@example.com>' \
      --header 'Subject: Printer on fire' --body 'It burns.'

  Then a reply, which joins the same conversation:

    swaks --server %[1]s --from app@example.com --to alice@example.com \
      --header 'In-Reply-To: <ticket-1@example.com>' \
      --header 'Subject: Re: Printer on fire' --body 'It still burns.'

  Press Ctrl-C to stop.

`

// folderURL returns the URL of a folder, for blobs.url.
func folderURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // of a drive: C:/blobs
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// folder returns the folder of the spool and a function that tidies up.
func (c demoCmd) folder() (dir string, remove func(), err error) {
	if c.Dir != "" {
		return c.Dir, func() {}, os.MkdirAll(c.Dir, 0o700)
	}
	dir, err = os.MkdirTemp("", "heyrelay-demo-")
	return dir, func() { os.RemoveAll(dir) }, err
}

// listenNear listens on address, or on another port if that one is in use.
func listenNear(address string) (net.Listener, error) {
	if l, err := net.Listen("tcp", address); err == nil {
		return l, nil
	}
	host, _, _ := net.SplitHostPort(address)
	return net.Listen("tcp", net.JoinHostPort(host, "0"))
}

// freeAddress returns address, or one with another port if that one is in use.
func freeAddress(address string) (string, error) {
	l, err := listenNear(address)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
