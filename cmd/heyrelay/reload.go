package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"heyrelay/internal/relay"
)

type reloadCmd struct{ configured }

// Help says what a reload changes, and how it fails.
func (reloadCmd) Help() string {
	return `The running relay reloads its configuration and applies it without losing a connection. If the new
configuration is invalid, or one of its addresses is in use, the previous one stays active. The command prints what
has changed, and what needs a restart: spool.url. SIGHUP does the same, but the result is only in the log.

Exit codes: 0 the new configuration is active, 1 no relay is running, 78 the previous one stays active.`
}

// Run asks the running relay, and prints what it says.
func (c reloadCmd) Run(p *program) error {
	url, err := c.spoolURL(p)
	if err != nil {
		return unchanged(p, err.Error())
	}
	ctx, cancel := context.WithTimeout(p.ctx, reloadPatience)
	defer cancel()
	var done relay.ReloadReply
	socket := controlSocket(url)
	err = request(ctx, socket, http.MethodPost, relay.ReloadPath, &done)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no access to the relay: %w; run the command as root, or as the user of heyrelay serve", err)
	case err != nil:
		return fmt.Errorf("no relay responds at %s: %w; is heyrelay serve running? if spool.url has changed, restart it",
			socket, err)
	}
	if done.Error != "" {
		return unchanged(p, done.Error)
	}
	for _, w := range done.Warnings {
		fmt.Fprintln(p.stdout, "warning: "+printable(w))
	}
	if len(done.Changed) == 0 {
		fmt.Fprintln(p.stdout, "nothing has changed")
	} else {
		fmt.Fprintln(p.stdout, "changed: "+printable(strings.Join(done.Changed, ", ")))
	}
	if len(done.Restart) > 0 {
		fmt.Fprintln(p.stdout, "restart heyrelay to apply: "+printable(strings.Join(done.Restart, ", ")))
	}
	return nil
}

// unchanged prints why a configuration cannot be used, and returns the error that says what follows.
func unchanged(p *program, problems string) error {
	fmt.Fprintln(p.stderr, printableLines(problems))
	return coded{exitConfig, errors.New("the previous configuration stays active")}
}

// reloadPatience is how long a relay may take to reload.
const reloadPatience = time.Minute
