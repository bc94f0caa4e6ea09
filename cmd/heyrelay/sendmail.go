package main

import (
	"path/filepath"
	"strings"

	"heyrelay/internal/config"
	"heyrelay/internal/sendmail"
)

type sendmailCmd struct {
	Args []string `arg:"" optional:"" help:"Options and recipients, as sendmail takes them."`
}

// Run runs sendmail. Its exit codes are those of sysexits.h.
func (c sendmailCmd) Run(p *program) error {
	s := &sendmail.Command{Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr, Environ: p.environ, List: p.listQueue}
	if code := s.Run(p.ctx, c.Args); code != exitOK {
		return coded{code, errQuiet}
	}
	return nil
}

// load implements configurable: -bp lists the configured queue.
func (sendmailCmd) load(p *program, options ...config.Option) (*config.Config, error) {
	return configured{}.load(p, options...)
}

// listQueue prints the queue of a configuration; an empty name is the default one.
func (p *program) listQueue(config string) (code int) {
	args := []string{"queue", "list"}
	if config != "" {
		args = append(args, "-c", config)
	}
	return p.run(args)
}

// called returns the arguments that a program name stands for: sendmail, mailq and
// newaliases can be links to heyrelay.
func called(args []string) []string {
	switch strings.TrimSuffix(filepath.Base(args[0]), ".exe") {
	case "sendmail":
		return append([]string{"sendmail"}, args[1:]...)
	case "mailq":
		return append([]string{"sendmail", "-bp"}, args[1:]...)
	case "newaliases":
		return []string{"sendmail", "-bi"}
	}
	return args[1:]
}
