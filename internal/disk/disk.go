// Package disk does what systems do differently with folders and their free space.
package disk
