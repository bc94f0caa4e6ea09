// Package bombs has messages that cost more than they weigh, and throws them at a relay
// that runs as a process of its own.
//
//	go test ./test/bombs -v -count 1 -args -all
//
// throws each bomb alone and eight times at once, and prints the peak memory of the
// process beside how long an honest client waits for its 250. Without -all, only a few
// bombs are thrown.
package bombs
