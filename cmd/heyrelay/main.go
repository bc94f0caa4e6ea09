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
	"syscall"

	"github.com/alecthomas/kong"

	"heyrelay/internal/spool"
	"heyrelay/internal/strictyaml"
)

// Exit codes, for scripts.
const (
	exitOK       = 0
	exitFailed   = 1  // failure
	exitUsage    = 2  // invalid command line
	exitDegraded = 3  // health --strict: mail is accepted, but some of it is delayed
	exitConfig   = 78 // invalid configuration (EX_CONFIG of sysexits.h): trying again will not help
)

// program is what a subcommand works with.
type program struct {
	ctx            context.Context // ends with SIGTERM or SIGINT
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	configFile     string // from -c before the command
	systemConfig   string // the configuration file if none is named
}

type commands struct {
	Serve      serveCmd      `cmd:"" help:"Run the relay."`
	Demo       demoCmd       `cmd:"" help:"Run the relay and a sandbox of the API, without configuration."`
	Sandbox    sandboxCmd    `cmd:"" help:"Run only the sandbox of the API."`
	Check      checkCmd      `cmd:"" help:"Validate the configuration."`
	Config     configCmd     `cmd:"" help:"Show the configuration, or write one to start from."`
	Inboxes    inboxesCmd    `cmd:"" help:"List the inboxes of your account, and print a configuration to paste."`
	Try        tryCmd        `cmd:"" help:"Send a mail and a reply through your own running relay."`
	Convert    convertCmd    `cmd:"" help:"Print the API requests for a message, without sending it."`
	Queue      queueCmd      `cmd:"" help:"Inspect and manage the queue."`
	Blobs      blobsCmd      `cmd:"" help:"List and revoke links to attachments, and delete files that no link needs."`
	Spool      spoolCmd      `cmd:"" help:"Back up the spool."`
	Cert       certCmd       `cmd:"" help:"Create a self-signed certificate for TLS."`
	Passwd     passwdCmd     `cmd:"" help:"Hash a password for a user."`
	Sendmail   sendmailCmd   `cmd:"" passthrough:"" help:"Submit mail, as sendmail, mailq or newaliases do."`
	Reload     reloadCmd     `cmd:"" help:"Make a running relay reload its configuration."`
	Health     healthCmd     `cmd:"" help:"Report whether a running relay accepts and sends mail."`
	Help       helpCmd       `cmd:"" help:"Describe a command."`
	Completion completionCmd `cmd:"" help:"Print a completion script for bash, zsh or fish."`
	Man        manCmd        `cmd:"" hidden:"" help:"Write the manual pages into a directory."`
	Version    versionCmd    `cmd:"" help:"Print the version."`

	PrintVersion kong.VersionFlag `name:"version" help:"Print the version."`
	// The commands have this flag too: it may stand before and after their names. Kong
	// allows that only in this order.
	File string `name:"config" short:"c" type:"path" placeholder:"FILE" hidden:"" help:"${config_help}"`
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
		kong.Description("An SMTP relay for applications that cannot call Heymarket's e-mail API.\n\n"+
			"To try it: heyrelay demo"),
		kong.Writers(p.stdout, p.stderr),
		kong.Vars{
			"config_help":     configHelp,
			"state_help":      stateHelp,
			"operator_reason": spool.OperatorReason,
			"version":         "heyrelay " + version(),
		},
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
	if err == nil {
		err = checkFlags(command.Path)
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "heyrelay: %s; see %s --help\n", printable(err.Error()), blamed(command, err))
		return exitUsage
	}
	if cmds.File != "" {
		if _, ok := command.Selected().Target.Interface().(configurable); !ok {
			fmt.Fprintf(p.stderr, "heyrelay: %s reads no configuration; omit -c\n", command.Selected().Path())
			return exitUsage
		}
		p.configFile = cmds.File
	}
	return p.failed(command.Run(p))
}

// blamed is the command that an error is about: of the arguments, or of what was parsed.
func blamed(parsed *kong.Context, err error) string {
	var mistake *kong.ParseError
	if errors.As(err, &mistake) {
		parsed = mistake.Context
	}
	name := "heyrelay"
	for _, at := range parsed.Path {
		if at.Command != nil {
			name = "heyrelay " + at.Command.Path()
		}
	}
	return name
}

// failed prints an error and returns its exit code.
func (p *program) failed(err error) int {
	switch {
	case err == nil || errors.Is(err, errQuiet):
	case errors.As(err, new(strictyaml.Errors)):
		fmt.Fprintln(p.stderr, printableLines(err.Error())) // each line has a position
	default:
		fmt.Fprintln(p.stderr, "heyrelay: "+printableLines(err.Error()))
	}
	return exitCode(err)
}

// exitCode is the exit code for an error.
func exitCode(err error) int {
	var own coded
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(strictyaml.Errors)):
		return exitConfig
	case errors.As(err, &own):
		return own.code
	}
	return exitFailed
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
