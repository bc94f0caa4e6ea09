package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// Run prints the version, and what it was built from.
func (versionCmd) Run(p *program) error {
	_, err := fmt.Fprintln(p.stdout, "heyrelay "+describe(buildInfo()))
	return err
}

// buildInfo returns what the binary knows of its build; empty if it knows nothing.
func buildInfo() *debug.BuildInfo {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return &debug.BuildInfo{}
	}
	return info
}

// version returns the version alone.
func version() string { return release(buildInfo()) }

func release(info *debug.BuildInfo) string {
	if info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// describe returns the version, the commit with its date as far as the build knows them,
// and the platform.
func describe(info *debug.BuildInfo) string {
	text := release(info)
	settings := settingsOf(info)
	if commit := settings["vcs.revision"]; commit != "" {
		text += " commit " + commit[:min(12, len(commit))]
	}
	if settings["vcs.modified"] == "true" {
		text += " with changes"
	}
	if date := settings["vcs.time"]; date != "" {
		text += " of " + date
	}
	return text + " " + runtime.GOOS + "/" + runtime.GOARCH + " " + runtime.Version()
}

// settingsOf returns how a binary was built, such as vcs.time.
func settingsOf(info *debug.BuildInfo) map[string]string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	return settings
}
