package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"heyrelay/internal/spool"
	"heyrelay/test/backlog"
)

type compareCmd struct {
	Rounds int    `help:"Rounds of each measurement." default:"3"`
	Only   string `help:"Measure only what has this text in its name." placeholder:"TEXT"`
	Before string `help:"Another build of heyrelay, measured in turn with this one." placeholder:"BINARY" type:"path"`
	Large  string `help:"A spool in which a million requests wait; made if missing." placeholder:"FILE" type:"path"`
	Write  string `help:"Write the table into this file, between its markers." placeholder:"FILE" type:"path"`
}

// Names of targets and experiments.
const (
	now     = "heyrelay"
	before  = "heyrelay before"
	wide    = "heyrelay, 256 calls"
	full    = "heyrelay, a million waiting"
	postfix = "Postfix"
	bound   = "go-smtp that discards"
	gateway = "synchronous gateway"

	kept       = "4 KB, connections kept"
	eachAlone  = "4 KB, one connection per message"
	html       = "30 KB"
	slowAPI    = "4 KB, API of 50 ms"
	oneClient  = "4 KB, one client"
	attached   = "1 MB attachment"
	largeSpool = "4 KB, large spool"
	byItself   = "by itself"
)

// experiment is a load, and the targets that take it in turn.
type experiment struct {
	name     string
	load     load
	starters []starter
}

func (c compareCmd) experiments(binary string) []experiment {
	relay := func(name string, s settings) starter {
		s.name, s.binary = name, binary
		return func() (*target, error) { return startHeyrelay(s) }
	}
	old := func() (*target, error) { return startHeyrelay(settings{name: before, binary: c.Before}) }
	// beside returns starters of heyrelay, of its other build, of Postfix, and of more.
	beside := func(more ...starter) []starter {
		all := []starter{relay(now, settings{})}
		if c.Before != "" {
			all = append(all, old)
		}
		if postfixMissing() == nil {
			all = append(all, startPostfix)
		}
		return append(all, more...)
	}
	const delay = 50 * time.Millisecond
	const many = 8000 // the first and the last calls of a burst are a small part of it
	all := []experiment{
		{kept, load{32, many, 0, plainBody, 0}, beside(startDiscard)},
		{eachAlone, load{32, many, 1, plainBody, 0}, beside()},
		{html, load{32, many, 0, alternativeBody, 0}, beside(startDiscard)},
		{slowAPI, load{32, many, 0, plainBody, 0}, []starter{
			relay(now, settings{latency: delay}),
			relay(wide, settings{latency: delay, team: ", concurrency: 256"}),
			func() (*target, error) { return startGateway(delay) },
		}},
		{oneClient, load{1, 1000, 0, plainBody, 0}, beside()},
		{attached, load{32, 320, 0, attachmentBody, 0}, []starter{relay(now, settings{route: ", attachments: drop"})}},
	}
	if c.Large != "" {
		large := []starter{relay(now, settings{}), relay(full, settings{spool: c.Large})}
		all = append(all, experiment{largeSpool, load{32, many, 0, plainBody, 0}, large})
	}
	return all
}

// largeBacklog waits with less priority than what is measured, on the same route.
var largeBacklog = backlog.Spool{
	Waiting:  1_000_000,
	IDs:      10_000_000,
	Team:     "load",
	Route:    "inbox-202",
	Priority: spool.Bulk,
}

// Run measures, prints all figures, and writes the table.
func (c compareCmd) Run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := buildHeyrelay(dir)
	if err != nil {
		return err
	}
	if c.Large != "" {
		err := backlog.Build(ctx, c.Large, largeBacklog)
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if err := postfixMissing(); err != nil {
		fmt.Println("without Postfix:", err)
	}
	f, err := c.measure(ctx, binary)
	if err != nil {
		return err
	}
	table := f.table()
	fmt.Println(table)
	if c.Write == "" {
		return nil
	}
	return replaceTable(c.Write, table)
}

// findings are all that was measured.
type findings struct {
	of        map[string]results // by experiment
	single    single
	disturbed string // the load average before
}

func (c compareCmd) measure(ctx context.Context, binary string) (findings, error) {
	f := findings{of: map[string]results{}, disturbed: loadAverage()}
	for _, e := range c.experiments(binary) {
		if !strings.Contains(e.name, c.Only) {
			continue
		}
		fmt.Println(e.name)
		var err error
		f.of[e.name], err = rounds(ctx, e.load, c.Rounds, e.starters...)
		if err != nil {
			return f, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if !strings.Contains(byItself, c.Only) {
		return f, nil
	}
	fmt.Println(byItself)
	var err error
	f.single, err = measureSingle(ctx, binary, c.Large)
	fmt.Printf("  %+v\n", f.single)
	return f, err
}
