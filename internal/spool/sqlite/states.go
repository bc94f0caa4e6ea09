package sqlite

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"heyrelay/internal/spool"
)

// The states in SQL. TestStates compares their numbers with those of package spool.
const (
	queued   = "0"
	ready    = "1"
	deferred = "2"
	active   = "3"
	held     = "4"
)

// Predicates on states. SQLite uses a partial index only where a statement repeats
// its condition: these are the conditions of schema.sql.
const (
	isQueued   = "state = " + queued
	isReady    = "state = " + ready
	isDeferred = "state = " + deferred
	isActive   = "state = " + active

	isHead     = "state BETWEEN 1 AND 4" // of its lane
	isAnyHead  = "state IN (1, 2, 3, 4)" // the same, without the index request_head
	isOpen     = "state <= 4"            // not ended
	isSendable = "state IN (1, 2)"       // ready or deferred
	isTaken    = "state IN (5, 6)"       // sent or flagged
	isNotTaken = "state NOT IN (5, 6)"   // open, failed, dropped or shadowed
	isUnsent   = "state IN (7, 8)"       // failed or dropped
	isWhole    = "state IN (7, 8, 9)"    // kept with its content: failed, dropped or shadowed

	callIsSend  = "call = 0" // spool.Send
	callIsCheck = "call = 1" // spool.CheckConversation
	callIsFind  = "call = 2" // spool.FindMessage
	callNotFind = "call <> 2"
)

// recipients are the addresses of a request with their roles, as the schema stores
// them.
type recipients struct {
	To []string `json:"to,omitempty"`
	Cc []string `json:"cc,omitempty"`
}

func (r recipients) encode() string {
	b, _ := json.Marshal(r) // strings always marshal
	return string(b)
}

func decodeRecipients(s string) (r recipients, err error) {
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		return r, fmt.Errorf("%w: recipients %q: %w", spool.ErrCorrupt, s, err)
	}
	return r, nil
}

// readable returns the recipients that a row has, none where they cannot be read: the other rows are listed.
func readable(s string) recipients {
	r, _ := decodeRecipients(s)
	return r
}

// all are the addresses, To before Cc.
func (r recipients) all() []string { return slices.Concat(r.To, r.Cc) }

// include reports whether address is one of r, letter case aside.
func (r recipients) include(address string) bool {
	return slices.ContainsFunc(r.all(), func(a string) bool { return strings.EqualFold(a, address) })
}

// without returns r without an address, letter case aside.
func (r recipients) without(address string) recipients {
	is := func(a string) bool { return strings.EqualFold(a, address) }
	return recipients{
		To: slices.DeleteFunc(slices.Clone(r.To), is),
		Cc: slices.DeleteFunc(slices.Clone(r.Cc), is),
	}
}
