package relay

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"
)

// What the control socket answers: GET of HealthPath with a Health, POST of ReloadPath with a
// ReloadReply, both in JSON.
const (
	HealthPath = "/health"
	ReloadPath = "/reload"
)

// ReloadReply is the reply to a reload: what it did, or why the previous configuration remains in
// force.
type ReloadReply struct {
	Reloaded
	Error string `json:"error,omitempty"` // several lines if the configuration has several problems
}

// startControl answers on the unix socket until ctx ends, if there is one. A relay whose socket
// cannot be opened works without.
func (r *Relay) startControl(ctx context.Context) {
	if r.parts.ControlSocket == "" {
		return
	}
	l, err := (&opener{open: net.Listen}).socket(r.parts.ControlSocket, 0o600)
	if err != nil {
		r.recordError("health checks get no details, and heyrelay reload does not work", err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+HealthPath, r.answerHealth)
	mux.HandleFunc("POST "+ReloadPath, r.answerReload)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	r.running.Go(func() {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.recordError("health checks get no details, and heyrelay reload no longer works", err)
		}
	})
}

func (r *Relay) answerHealth(w http.ResponseWriter, req *http.Request) {
	writeJSON(w, http.StatusOK, r.Health(req.Context()))
}

func (r *Relay) answerReload(w http.ResponseWriter, _ *http.Request) {
	done, err := r.Reload()
	if err != nil {
		writeJSON(w, http.StatusUnprocessableEntity, ReloadReply{Error: err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, ReloadReply{Reloaded: done})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}
