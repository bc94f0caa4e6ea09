// Package crash kills a relay with SIGKILL at named points, in the middle of
// mail from many clients, and counts what arrives.
//
// The relay is the one that serve runs, with its spool and client, in a process of
// its own: the test binary started again. Its parts are wrapped, so that the
// process kills itself at the named point; nothing in the product knows of it.
package crash
