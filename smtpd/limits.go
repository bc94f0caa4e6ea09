package smtpd

import (
	"cmp"
	"time"
)

// Limits bound what clients can use. A zero field means its default.
type Limits struct {
	MessageSize           int64 // bytes of one message, inclusive; lines have no limit of their own: 25,000,000
	Recipients            int   // of one message (RFC 5321, section 4.5.3.1.8): 100
	Connections           int   // at a time: 1,000
	ConnectionsPerAddress int   // at a time; a /64 of IPv6 is one address, unix sockets do not count: 250

	// Of a user, or else of an address, in a minute that begins with the first: no limit.
	MessagesPerMinute, RecipientsPerMinute int

	Errors       int           // refused commands between messages, and as many in a minute that bring none forward: 100
	AuthFailures int           // failed logins of an address; ten times as many of a user, from all addresses: 10
	AuthBan      time.Duration // for which failures count, and an address is banned after too many: 15 minutes

	// InFlight is how many bytes of messages, and of what a Handler makes of them, may be in
	// memory at a time: 256 MiB. It is at least twice MessageSize: a smaller one would refuse
	// the largest message always. One user or address may hold a quarter of it, or twice
	// MessageSize if that is more, and for its only message 8 MiB in addition.
	InFlight int64

	Greeting  time.Duration // from the connection to EHLO or HELO: 1 minute
	Command   time.Duration // from a reply to the end of the next command (RFC 5321, 4.5.3.2.7): 5 minutes
	IdleTotal time.Duration // without a transaction or login, from the connection or the last message: 5 minutes
	DataIdle  time.Duration // between two arrivals of message data: 5 minutes
	DataTotal time.Duration // for a whole message: 30 minutes
	Reply     time.Duration // for the client to take a reply: 1 minute
}

func (l Limits) orDefaults() Limits {
	l.MessageSize = cmp.Or(l.MessageSize, 25_000_000)
	l.Recipients = cmp.Or(l.Recipients, 100)
	l.Connections = cmp.Or(l.Connections, 1000)
	l.ConnectionsPerAddress = cmp.Or(l.ConnectionsPerAddress, 250)
	l.Errors = cmp.Or(l.Errors, 100)
	l.AuthFailures = cmp.Or(l.AuthFailures, 10)
	l.AuthBan = cmp.Or(l.AuthBan, 15*time.Minute)
	l.InFlight = max(cmp.Or(l.InFlight, 256<<20), 2*l.MessageSize)
	l.Greeting = cmp.Or(l.Greeting, time.Minute)
	l.Command = cmp.Or(l.Command, 5*time.Minute)
	l.IdleTotal = cmp.Or(l.IdleTotal, 5*time.Minute)
	l.DataIdle = cmp.Or(l.DataIdle, 5*time.Minute)
	l.DataTotal = cmp.Or(l.DataTotal, 30*time.Minute)
	l.Reply = cmp.Or(l.Reply, time.Minute)
	return l
}
