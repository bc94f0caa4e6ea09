package smtpd

import (
	"context"
	"errors"
	"net"
	"testing"
)

// A shutdown ends idle connections at once, lets running transactions end, and refuses new
// ones.
func TestShutdown(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	busy, open := h.dial(t), h.dial(t)
	idle, silent := h.dial(t), h.dial(t)
	busy.begin()
	open.hello()
	open.mail()
	idle.hello()
	silent.want("220 ")

	stopped := make(chan error, 1)
	go func() { stopped <- h.Shutdown(context.Background()) }()
	idle.want("421 4.3.2 relay.test is shutting down, try again later", "<closed>")
	silent.want("421 4.3.2 ", "<closed>")
	if c, err := net.Dial("tcp", h.listener.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("a new connection was taken")
	}
	open.say("RCPT TO:<carol@example.com>", "250 ")
	open.say("RSET\r\nMAIL FROM:<app@app.test>", "250 ", "421 4.3.2 ", "<closed>")
	busy.say("hello\r\n.", "250 2.0.0 Ok: queued as ", "421 4.3.2 ", "<closed>")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if m := h.messages(); len(m) != 1 || m[0].raw != "hello\r\n" {
		t.Errorf("%+v", m)
	}
	if err := h.Shutdown(context.Background()); err != nil {
		t.Errorf("again: %v", err)
	}
}

// When its context ends, a shutdown cancels the contexts of the handlers; their replies are
// still sent. A client in the middle of a message gets a 421.
func TestShutdownHard(t *testing.T) {
	entered := make(chan struct{})
	h := open(t, Settings{}, &recorder{reply: func(ctx context.Context, _ *Envelope) Reply {
		close(entered)
		<-ctx.Done()
		return Reply{Code: 421, Enhanced: "4.3.2", Text: "sent by the handler"}
	}})
	handled, sending := h.dial(t), h.dial(t)
	handled.begin()
	handled.put(".\r\n")
	<-entered
	sending.begin()
	sending.put("half a message")

	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- h.Shutdown(ctx) }()
	cancel()
	handled.want("421 4.3.2 sent by the handler", "<closed>")
	sending.want("421 4.3.2 relay.test is shutting down", "<closed>")
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := len(h.messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestServeAfterShutdown(t *testing.T) {
	s := New(Options{Setup: always(Settings{
		Handler:   &recorder{},
		Listeners: map[string]Access{"": {Name: "listeners[3]"}},
	})})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(Listener{Listener: l})(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is open")
	}
}
