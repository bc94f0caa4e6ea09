package main

import (
	"context"
	"log/slog"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/tracing"
)

// traces are where events become OpenTelemetry traces, if the OTEL_ variables ask for that.
type traces struct {
	sinks events.Sinks
	close func()
}

// lastTraces is how long the end of the process waits for traces that have not been sent.
const lastTraces = 2 * time.Second

// tracesWanted reports whether the environment asks for traces. A value that is not supported is an
// error of the configuration.
func (p *program) tracesWanted() (bool, error) {
	wanted, err := tracing.Enabled(p.variable)
	if err != nil {
		return false, coded{exitConfig, err}
	}
	return wanted, nil
}

func (p *program) traces(log func() *slog.Logger) (traces, error) {
	none := traces{close: func() {}}
	if wanted, err := p.tracesWanted(); err != nil || !wanted {
		return none, err
	}
	failed := func(err error) {
		log().Error("traces cannot be exported and are dropped; mail is not affected", "error", err.Error())
	}
	complain := func(err error) { log().Warn("OpenTelemetry", "error", err.Error()) }
	t, err := tracing.New(context.WithoutCancel(p.ctx), version(), failed, complain)
	if err != nil {
		return none, err
	}
	return traces{events.Sinks{t}, func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
		defer cancel()
		t.Close(ctx)
	}}, nil
}
