// Package guides runs docs/guides as they are written: the settings and programs of each
// page, with the address of a relay in place of 127.0.0.1:2525.
package guides
