package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"heyrelay/internal/passhash"
)

type passwdCmd struct {
	Name  string `arg:"" optional:"" help:"Print an entry for users, with this name; without it, the hash alone."`
	Stdin bool   `help:"Read the password from standard input, one line, without asking."`
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

// password reads a password: one line of standard input, or, at a terminal, twice
// and unseen.
func (c passwdCmd) password(p *program) (string, error) {
	in := bufio.NewReader(p.stdin)
	if c.Stdin {
		return oneLine(in)
	}
	tty, ok := p.stdin.(*os.File)
	if !ok || echo(tty, "-echo") != nil {
		return "", errors.New("standard input is no terminal; add --stdin to read the password from it")
	}
	defer echo(tty, "echo")
	fmt.Fprint(p.stderr, "Password: ")
	first, err := oneLine(in)
	if err != nil {
		return "", err
	}
	fmt.Fprint(p.stderr, "\nOnce more: ")
	second, err := oneLine(in)
	fmt.Fprintln(p.stderr)
	if err == nil && first != second {
		err = errors.New("that was not the same twice")
	}
	return first, err
}

// oneLine reads a password, which is not empty.
func oneLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" || strings.ContainsRune(line, 0) {
		return "", errors.New("there is no password: give one line that is not empty")
	}
	return line, nil
}

// echo says whether a terminal shows what is typed.
func echo(tty *os.File, mode string) error {
	stty := exec.Command("stty", mode)
	stty.Stdin = tty
	return stty.Run()
}
