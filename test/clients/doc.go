// Package clients holds tests that send mail with the programs that people
// really use.
package clients
