package config

import (
	"embed"
	"reflect"
	"strings"

	"heyrelay/internal/strictyaml"
)

// structs has the sources of the structs. Their comments explain the keys.
//
//go:embed config.go blobs.go bounces.go console.go linkblock.go nexthop.go route.go tls.go users.go
//go:embed webhook.go
var structs embed.FS

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

const startHeading = `# yaml-language-server: $schema=SCHEMA
#
# The configuration of heyrelay: the keys without a default. Replace the values
# with yours; "heyrelay inboxes" lists inboxes and their members. All other keys have
# defaults: "heyrelay config example" prints them with their meaning.

`

// Start returns the smallest configuration that works, with explanations. schema is
// where an editor finds the JSON Schema: a URL or the name of a file.
func Start(schema string) []byte {
	heading := strings.Replace(startHeading, "SCHEMA", schema, 1)
	return append([]byte(heading), strictyaml.Start(reflect.TypeFor[Config](), structs)...)
}

// Schema returns the JSON Schema of a configuration file, for editors.
func Schema() []byte {
	return strictyaml.Schema(reflect.TypeFor[Config](), "The configuration of heyrelay", structs)
}

// Keys lists every key of a configuration, for manuals.
func Keys() []strictyaml.Key {
	return strictyaml.Keys(reflect.TypeFor[Config](), structs)
}
