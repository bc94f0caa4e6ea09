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

func (p *program) traces(log func() *slog.Logger) (traces, error) {
	enabled, err := tracing.Enabled(p.variable)
	if err != nil || !enabled {
		return traces{close: func() {}}, err
	}
	failed := func(err error) {
		log().Error("traces cannot be exported and are dropped; mail is not affected", "error", err.Error())
	}
	t, err := tracing.New(context.WithoutCancel(p.ctx), version(), failed)
	if err != nil {
		return traces{close: func() {}}, err
	}
	return traces{events.Sinks{t}, func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
		defer cancel()
		t.Close(ctx)
	}}, nil
}
