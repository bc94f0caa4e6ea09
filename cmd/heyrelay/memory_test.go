package main

import "testing"

func TestMemoryLimit(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		inFlight  int64
		container uint64
		want      int64
	}{
		{256 * mb, 0, 896 * mb},
		{256 * mb, 512 * mb, 512 * mb / 10 * 9},
		{256 * mb, 2048 * mb, 896 * mb},
		{256 * mb, 1 << 63, 896 * mb},
	} {
		if got := memoryLimit(c.inFlight, c.container); got != c.want {
			t.Errorf("in_flight %d in a container of %d: %d, want %d", c.inFlight, c.container, got, c.want)
		}
	}
}
