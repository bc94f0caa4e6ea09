//go:build !unix

package mimeconv

import (
	"testing"
	"time"
)

// processorTime is measured on Unix only.
func processorTime(b *testing.B) time.Duration {
	b.Skip("the time of the processors is measured on Unix only")
	return 0
}
