// Package soak runs a relay under everything at once: applications that send mail, kills,
// an API with faults, hostile clients, and an operator with the queue commands. It has a
// memory limit. At the end, the ledger must add up.
//
//	go test ./test/soak -v -count 1 -timeout 2h -args -lasting 1h
//
// prints the figures. Without -lasting, it takes ten seconds.
package soak
