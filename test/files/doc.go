// Package files has files sent through a relay that runs as a process of its own, stored in a folder and in a
// bucket of a real S3-compatible server, and downloaded by their links.
//
//	go test ./test/files -v -count 1 -run TestMemory -timeout 0 -args -messages 200
//
// sends so many messages with a file of 20 MB each from 20 clients, and prints the peak memory of the relay, and
// what is left in the store when their links have expired.
package files
