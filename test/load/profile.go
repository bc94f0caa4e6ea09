package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

type profileCmd struct {
	Out  string `help:"Directory for the profiles and their summaries." required:"" type:"path"`
	Team string `help:"More keys of the team, as in YAML." placeholder:", concurrency: 256"`
	load `embed:""`
}

// Run writes profiles of heyrelay under a load, and their summaries in text.
func (c profileCmd) Run(ctx context.Context) error {
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	binary, err := buildProfiled(c.Out)
	if err != nil {
		return err
	}
	socket := filepath.Join(c.Out, "socket")
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Setenv("LOAD_PROFILES", c.Out); err != nil {
		return err
	}
	t, err := startHeyrelay(settings{name: now, binary: binary, team: c.Team, route: ", attachments: drop"})
	if err != nil {
		return err
	}
	defer t.close()
	warm := c.load
	warm.Messages = max(c.Messages/4, c.Clients)
	if _, err := measure(ctx, t, warm); err != nil {
		return err
	}
	if err := control(socket, "/start"); err != nil {
		return err
	}
	f, err := measure(ctx, t, c.load)
	if err != nil {
		return err
	}
	if err := control(socket, "/stop"); err != nil {
		return err
	}
	fmt.Println(results{now: {f}}.line(now))
	return summarise(c.Out, binary)
}

// buildProfiled builds heyrelay with testdata/profiling.go.txt, which the product does not have.
func buildProfiled(dir string) (string, error) {
	source, err := filepath.Abs("test/load/testdata/profiling.go.txt")
	if err != nil {
		return "", err
	}
	target, err := filepath.Abs("cmd/heyrelay/profiling.go")
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{target: source}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", err
	}
	return buildHeyrelay(dir, "-overlay", file)
}

// control posts to the unix socket of a profiled heyrelay.
func control(socket, path string) error {
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	response, err := client.Post("http://heyrelay"+path, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s %w", path, response.Status, text, err)
	}
	return nil
}

// summaries are the reports of pprof that are kept in text, by the name of their file.
var summaries = map[string][]string{
	"cpu.txt":         {"-cum", "cpu"},
	"cpu-flat.txt":    {"-flat", "cpu"},
	"allocs.txt":      {"-cum", "-sample_index=alloc_space", "-diff_base=allocs-before", "allocs"},
	"allocs-flat.txt": {"-flat", "-sample_index=alloc_space", "-diff_base=allocs-before", "allocs"},
	"block.txt":       {"-cum", "block"},
	"mutex.txt":       {"-cum", "mutex"},
}

func summarise(dir, binary string) error {
	for file, options := range summaries {
		args := append([]string{"tool", "pprof", "-top", "-nodecount=120"}, options[:len(options)-1]...)
		cmd := exec.Command("go", append(args, binary, options[len(options)-1])...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", cmd, err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), out, 0o644); err != nil {
			return err
		}
	}
	return nil
}
