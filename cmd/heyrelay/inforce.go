package main

import (
	"log/slog"
	"sync/atomic"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
)

// inForce is what serve itself takes from the configuration that a reload may replace. It is the
// events.Sink that writes the log: with another format or level, the next line has it.
type inForce struct {
	program *program
	current atomic.Pointer[current]

	consoleURL func() string // of the relay; set before it runs
	logged     string        // the latest that was
}

type current struct {
	config *config.Config
	logger *slog.Logger
}

func newInForce(p *program, cfg *config.Config) *inForce {
	f := &inForce{program: p}
	f.set(cfg)
	return f
}

// set puts a configuration in force, and logs its warnings.
func (f *inForce) set(cfg *config.Config) {
	limitMemory(cfg)
	f.current.Store(&current{cfg, slog.New(logHandler(f.program, cfg))})
	for _, w := range cfg.Warnings() {
		f.logger().Warn(w)
	}
}

// logConsole logs where the console is, if that has changed.
func (f *inForce) logConsole() {
	url := f.consoleURL()
	if url != "" && url != f.logged {
		f.logger().Info("console", "url", url)
	}
	f.logged = url
}

func (f *inForce) config() *config.Config { return f.current.Load().config }

func (f *inForce) logger() *slog.Logger { return f.current.Load().logger }

// Record implements events.Sink.
func (f *inForce) Record(e events.Event) {
	masked := f.config().Log.Addresses == config.AddressesMasked
	events.Log{Logger: f.logger(), Masked: masked}.Record(e)
}
