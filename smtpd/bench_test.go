package smtpd

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkSession measures client, server and an empty Handler together.
func BenchmarkSession(b *testing.B) {
	for _, size := range []int{4, 30} {
		line := strings.Repeat("x", 70) + "\r\n"
		content := strings.Repeat(line, size<<10/len(line))
		b.Run(fmt.Sprintf("%dKB/new", size), func(b *testing.B) {
			h := open(b, Settings{}, &recorder{forget: true})
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				c := h.dial(b)
				c.hello()
				c.data()
				c.put(content + ".\r\n")
				c.want("250 ")
				c.say("QUIT", "221 ", "<closed>")
				_ = c.Close()
			}
		})
		for _, verb := range []string{"DATA", "BDAT"} {
			b.Run(fmt.Sprintf("%dKB/kept/%s", size, verb), func(b *testing.B) {
				h := open(b, Settings{}, &recorder{forget: true})
				c := h.dial(b)
				c.hello()
				b.SetBytes(int64(len(content)))
				for b.Loop() {
					if verb == "DATA" {
						c.data()
						c.put(content + ".\r\n")
					} else {
						c.mail()
						c.put(fmt.Sprintf("BDAT %d LAST\r\n%s", len(content), content))
					}
					c.want("250 ")
				}
			})
		}
	}
}
