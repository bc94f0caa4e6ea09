// Package archtest has tests only, of the rules for the whole repository: which package may import which, that
// each is documented, how code is written, and that published files match the code.
package archtest
