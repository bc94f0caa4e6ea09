package config

import (
	_ "embed"
	"reflect"

	"heyrelay/internal/strictyaml"
)

// structs is the source of the structs. Their comments explain the keys in the
// example.
//
//go:embed config.go
var structs string

const heading = `# The configuration of heyrelay: every key, its meaning and its default.
#
# A line that begins with # and a space is an explanation. A line that begins with
# # and a key shows its default, or an example if it is marked as one: remove the #
# to change it. The keys without a # are required.
#
# Durations have the units ms, s, m, h, d, w and y: 30s, 1h30m, 5d.
# Sizes have the units B, KB, MB and GB (powers of 1000) or KiB, MiB and GiB (of 1024).
# ${NAME} in a value is the environment variable NAME; $${ is a literal ${.
# A list of one value can be written as that value.

`

// Example returns a configuration file to start from: every key with its
// explanation and default, commented out, except the smallest part that works.
func Example() []byte {
	return append([]byte(heading), strictyaml.Example(reflect.TypeFor[Config](), structs)...)
}
