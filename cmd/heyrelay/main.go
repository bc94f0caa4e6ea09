// Command heyrelay is an SMTP server that turns mail into calls of Heymarket's
// e-mail API. Each subcommand has a file of its own; `heyrelay --help` lists
// them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"heyrelay/internal/strictyaml"
)

// Exit codes, for scripts.
const (
	exitOK       = 0
	exitFailed   = 1  // failure
	exitUsage    = 2  // wrong command line
	exitDegraded = 3  // health --strict: mail is accepted, but some of it is delayed
	exitConfig   = 78 // invalid configuration (EX_CONFIG of sysexits.h): trying again will not help
)

// program is what a subcommand works with.
type program struct {
	ctx            context.Context // ends when the process is told to stop
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	systemConfig   string // the configuration file if none is named
}

type commands struct {
	Serve    serveCmd    `cmd:"" help:"Run the relay."`
	Demo     demoCmd     `cmd:"" help:"Run the relay and a sandbox of the API without configuration, and show each message."`
	Sandbox  sandboxCmd  `cmd:"" help:"Run the sandbox of the API alone."`
	Check    checkCmd    `cmd:"" help:"Validate the configuration."`
	Config   configCmd   `cmd:"" help:"Show the effective configuration, or an example."`
	Inboxes  inboxesCmd  `cmd:"" help:"List the inboxes of your account, with a route to paste."`
	Try      tryCmd      `cmd:"" help:"Send a mail and a reply through your own running relay."`
	Convert  convertCmd  `cmd:"" help:"Print the requests that a message would become, without sending it."`
	Queue    queueCmd    `cmd:"" help:"Inspect and manage the queue."`
	Cert     certCmd     `cmd:"" help:"Create a self-signed certificate for TLS."`
	Passwd   passwdCmd   `cmd:"" help:"Hash a password for a user."`
	Sendmail sendmailCmd `cmd:"" passthrough:"" help:"Submit mail from programs that call sendmail. Links named sendmail, mailq and newaliases run it, too."`
	Health   healthCmd   `cmd:"" help:"Report whether a running relay accepts and sends mail."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{
		ctx:          ctx,
		stdin:        os.Stdin,
		stdout:       os.Stdout,
		stderr:       os.Stderr,
		environ:      os.Environ(),
		systemConfig: systemConfig,
	}
	code := p.run(called(os.Args))
	stop()
	os.Exit(code)
}

// run parses the arguments, runs the subcommand and returns the exit code.
func (p *program) run(args []string) int {
	var cmds commands
	exited := -1
	parser, err := kong.New(&cmds,
		kong.Name("heyrelay"),
		kong.Description("An SMTP relay for applications that cannot speak Heymarket's e-mail API.\n\nTo see it work: heyrelay demo"),
		kong.Writers(p.stdout, p.stderr),
		kong.Vars{"config_help": configHelp},
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return p.failed(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help was printed
		return exited
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "heyrelay: %v; see heyrelay --help\n", err)
		return exitUsage
	}
	return p.failed(command.Run(p))
}

// failed prints an error and says which exit code it stands for.
func (p *program) failed(err error) int {
	var invalid strictyaml.Errors
	var own coded
	code := exitFailed
	if errors.As(err, &own) {
		code = own.code
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errQuiet):
		return code
	case errors.As(err, &invalid):
		fmt.Fprintln(p.stderr, err)
		return exitConfig
	}
	fmt.Fprintln(p.stderr, "heyrelay: "+err.Error())
	return code
}

// coded is an error with an exit code of its own.
type coded struct {
	code int
	error
}

// Unwrap returns the cause.
func (c coded) Unwrap() error { return c.error }

// errQuiet is a failure that has been reported already.
var errQuiet = errors.New("")

type versionCmd struct{}

// Run prints the version that the build knows.
func (versionCmd) Run(p *program) error {
	_, err := fmt.Fprintln(p.stdout, "heyrelay "+version())
	return err
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// nothing is an environment without variables.
func nothing(string) (string, bool) { return "", false }
