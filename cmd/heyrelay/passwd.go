package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"heyrelay/internal/passhash"
)

type passwdCmd struct {
	Name  string `arg:"" optional:"" help:"Print an entry for users, with this name. Default: print the hash alone."`
	Stdin bool   `help:"Read the password from standard input, one line, without a prompt."`
}

// Run prints the hash of a password.
func (c passwdCmd) Run(p *program) error {
	password, err := c.password(p)
	if err != nil {
		return err
	}
	hash, err := passhash.New(password, rand.Reader)
	if err != nil {
		return err
	}
	if c.Name != "" {
		hash = fmt.Sprintf("- {name: %q, password_hash: %q}", c.Name, hash)
	}
	_, err = fmt.Fprintln(p.stdout, hash)
	return err
}

// password reads a password: a line of standard input, or twice from a terminal
// without echo.
func (c passwdCmd) password(p *program) (string, error) {
	if c.Stdin {
		line, err := bufio.NewReader(p.stdin).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", err
		}
		return usable(strings.TrimRight(line, "\r\n"))
	}
	terminal, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", errors.New("standard input is not a terminal; add --stdin to read the password from it")
	}
	first, err := ask(p, terminal, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask(p, terminal, "Repeat password: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("passwords do not match")
	}
	return usable(first)
}

// ask reads a line from a terminal without echo.
func ask(p *program, terminal *os.File, prompt string) (string, error) {
	fmt.Fprint(p.stderr, prompt)
	line, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(p.stderr)
	return string(line), err
}

// usable refuses what cannot be sent as a password.
func usable(password string) (string, error) {
	if password == "" || strings.ContainsRune(password, 0) {
		return "", errors.New("the password is empty, or has a NUL character")
	}
	return password, nil
}
