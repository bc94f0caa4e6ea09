// Package readme runs the commands that README and docs show, and checks what they quote.
package readme
