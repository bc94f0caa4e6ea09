// Package readme runs the commands that the README shows.
package readme
