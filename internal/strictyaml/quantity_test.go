package strictyaml_test

import (
	"encoding"
	"fmt"
	"reflect"
	"testing"

	"heyrelay/internal/strictyaml"
)

// TestQuantities reads amounts, and writes them back in their shortest form.
func TestQuantities(t *testing.T) {
	for _, c := range []struct {
		into encoding.TextUnmarshaler
		text string
		want int64
		back string
	}{
		{new(strictyaml.Duration), "0", 0, "0"},
		{new(strictyaml.Duration), "100ms", 100e6, "100ms"},
		{new(strictyaml.Duration), "90s", 90e9, "1m30s"},
		{new(strictyaml.Duration), "1h30m", 5400e9, "1h30m"},
		{new(strictyaml.Duration), "2w", 14 * 86400e9, "14d"},
		{new(strictyaml.Duration), "1y", 365 * 86400e9, "1y"},
		{new(strictyaml.Duration), "366d", 366 * 86400e9, "1y1d"},
		{new(strictyaml.Size), "0", 0, "0"},
		{new(strictyaml.Size), "1B", 1, "1B"},
		{new(strictyaml.Size), "25MB", 25_000_000, "25MB"},
		{new(strictyaml.Size), "25MiB", 25 << 20, "25MiB"},
		{new(strictyaml.Size), "1024KB", 1_024_000, "1000KiB"},
		{new(strictyaml.Size), "1000000KB", 1_000_000_000, "1GB"},
		{new(strictyaml.Rate), "500/min", 500, "500/min"},
		{new(strictyaml.Rate), "8/s", 480, "480/min"},
	} {
		if err := c.into.UnmarshalText([]byte(c.text)); err != nil {
			t.Errorf("%T %q: %v", c.into, c.text, err)
			continue
		}
		if got := reflect.ValueOf(c.into).Elem().Int(); got != c.want {
			t.Errorf("%T %q = %d, want %d", c.into, c.text, got, c.want)
		}
		if got := fmt.Sprint(c.into); got != c.back {
			t.Errorf("%T %q is written %q, want %q", c.into, c.text, got, c.back)
		}
	}
}

// TestNoQuantities refuses what could be read in two ways.
func TestNoQuantities(t *testing.T) {
	for _, text := range []string{
		"", " ", "5", "05s", "-5s", "5 s", "5S", "1.5h", "s",
		"5m0", "5mm", "1h1", "106751d24h", "9223372036854775807y",
	} {
		var d strictyaml.Duration
		if d.UnmarshalText([]byte(text)) == nil {
			t.Errorf("Duration %q is read as %v", text, d)
		}
	}
	for _, text := range []string{
		"", "5", "05MB", "-1MB", "1.5MB", "5mb", "5M", "5MB5", "9223372036854775807KB", "99999999999999999999B",
	} {
		var s strictyaml.Size
		if s.UnmarshalText([]byte(text)) == nil {
			t.Errorf("Size %q is read as %v", text, s)
		}
	}
	for _, text := range []string{"", "0", "500", "500/h", "/min", "5/min/s", "05/s", "9223372036854775807/s"} {
		var r strictyaml.Rate
		if r.UnmarshalText([]byte(text)) == nil {
			t.Errorf("Rate %q is read as %v", text, r)
		}
	}
}
