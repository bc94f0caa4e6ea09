package process

import (
	"regexp"
	"strings"
)

// Blocks returns the fenced blocks of a language in a text in Markdown, without the white space around them.
func Blocks(text, language string) (all []string) {
	block := regexp.MustCompile("(?ms)^ *```" + language + "\n(.*?)^ *```")
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.TrimSpace(m[1]))
	}
	return all
}
