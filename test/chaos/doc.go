// Package chaos runs mail through the relay into an API that fails in every way
// it knows, in simulated time, and counts what arrives.
package chaos
