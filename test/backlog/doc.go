// Package backlog measures a relay in front of which very much waits: how long it
// takes to start, what a claim, a search and a page of the console cost, and what memory it needs.
//
//	go test ./test/backlog -bench . -benchtime 200x -args -waiting 1000000
package backlog
