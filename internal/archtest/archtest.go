// Package archtest holds the rules of the house: which package may import which,
// that each one tells its story, and that the files the project shows to its
// users are the ones that the code makes. It has tests only.
package archtest
