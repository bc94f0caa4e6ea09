//go:build !linux

package smtpd

import "net"

// unacknowledged cannot be determined on this system: only a failed write shows that a reply
// did not arrive.
func unacknowledged(net.Conn) (n int, discarded, ok bool) { return 0, false, false }
