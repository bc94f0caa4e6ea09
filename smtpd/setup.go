package smtpd

import (
	"context"
	"crypto/tls"
	"net/netip"

	"heyrelay/internal/passhash"
)

// Settings are what a server can change while it runs. Only Handler is required.
type Settings struct {
	Hostname string  // the server's name in its replies: "localhost"
	Handler  Handler // processes accepted messages
	Users    []User  // may send from anywhere; AUTH is offered where passwords cannot be intercepted
	Limits   Limits  // what clients can use
	BareLF   BareLF  // Repair
	DSN      bool    // offer DSN (RFC 3461): the Handler reports what the envelope requests

	// Alias returns where mail to a recipient goes; ok is false for a local one that it
	// does not know. A recipient without a domain is one of localhost. nil: each recipient
	// is as written, and has a domain.
	Alias func(recipient string) (to string, ok bool)

	// Relay begins the transaction at the next hop, if the client's mail is passed on to
	// one. It may set relayed to nil and refuse the sender, or set both to nil: then the
	// Handler gets the message. nil: nothing is passed on.
	Relay func(ctx context.Context, env *Envelope) (relayed Relayed, refusal *Reply)

	// Listeners say who may send where, by Listener.ID. A listener that is not among them
	// takes no connection.
	Listeners map[string]Access
}

// Access is who may send on a listener, and how.
type Access struct {
	Name string // of the listener in the configuration, such as "listeners[0]"; default: its address

	// Key, if not nil, returns what the operator calls the listener's "allow" or "tls", for
	// hints in the log. Default: Name, a dot and the argument.
	Key func(of string) string

	// Allow lists the networks that may send without authentication. If it is empty, only
	// users may send. Everybody may send over a unix socket, where the permissions of the
	// file decide. A listener on loopback usually allows 127.0.0.0/8 and ::1/128.
	Allow []netip.Prefix

	// TLS, if not nil, is offered as STARTTLS (RFC 3207). With Implicit, every connection
	// starts with TLS instead (RFC 8314, section 3).
	TLS      *tls.Config
	Implicit bool
}

// key returns what the operator calls a part of the listener's configuration.
func (a Access) key(of string) string {
	if a.Key == nil {
		return a.Name + "." + of
	}
	return a.Key(of)
}

// Setup is prepared Settings. It does not change; many goroutines may use it. Make one with
// NewSetup.
type Setup struct {
	Settings
	byName map[string]User
	decoy  passhash.Hash // is computed for an unknown user: the slowest in use, so that it takes as long
}

// NewSetup prepares settings, which must not be changed any more. It panics if there is no
// Handler.
func NewSetup(s Settings) *Setup {
	if s.Handler == nil {
		panic("smtpd: Settings.Handler is nil")
	}
	if s.Hostname == "" {
		s.Hostname = "localhost"
	}
	s.Limits = s.Limits.orDefaults()
	setup := &Setup{Settings: s, byName: make(map[string]User)}
	for _, user := range s.Users {
		setup.byName[user.Name] = user
		if user.Password.Cost() > setup.decoy.Cost() {
			setup.decoy = user.Password
		}
	}
	return setup
}
