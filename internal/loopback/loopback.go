// Package loopback knows the names of this machine, to which nothing travels over a network.
package loopback

import "net/netip"

// Is reports whether a host of a URL or of host:port is certainly this machine.
func Is(host string) bool {
	ip, _ := netip.ParseAddr(host)
	return host == "localhost" || ip.Unmap().IsLoopback()
}
