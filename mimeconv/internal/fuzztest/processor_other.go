//go:build !unix

package fuzztest

import "time"

// processorTime is measured on Unix only.
func processorTime() time.Duration { return 0 }
