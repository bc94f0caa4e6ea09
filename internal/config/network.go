package config

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// Network is a range of addresses, written "10.0.0.0/8", or one address, written
// "192.0.2.1".
type Network struct{ prefix netip.Prefix }

// UnmarshalText reads a Network. Its error explains how to write one.
func (n *Network) UnmarshalText(text []byte) error {
	addr, err := netip.ParseAddr(string(text))
	if err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		n.prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil || prefix.Addr().Is4In6() {
		return errors.New("write an address or a network, such as 192.0.2.1, 10.0.0.0/8 or fd00::/8")
	}
	if prefix != prefix.Masked() {
		return errors.New("write " + prefix.Masked().String() + " for the network, or only the address")
	}
	n.prefix = prefix
	return nil
}

// String writes n as a prefix, or as an address if it contains only one.
func (n Network) String() string {
	if n.prefix.IsSingleIP() {
		return n.prefix.Addr().String()
	}
	return n.prefix.String()
}

// Networks is a list of networks.
type Networks []Network

// Contains reports whether addr is in one of the networks. An IPv4 address matches
// in its IPv6 form too; the zero Addr is in none.
func (ns Networks) Contains(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(ns, func(n Network) bool { return n.prefix.Contains(addr) })
}

// Prefixes returns the networks as standard library prefixes, in a new slice.
func (ns Networks) Prefixes() []netip.Prefix {
	prefixes := make([]netip.Prefix, len(ns))
	for i, n := range ns {
		prefixes[i] = n.prefix
	}
	return prefixes
}

// all reports whether one of the networks is the whole internet.
func (ns Networks) all() bool {
	return slices.ContainsFunc(ns, func(n Network) bool { return n.prefix.Bits() == 0 })
}

// beyond reports whether one of the networks has addresses of other machines.
func (ns Networks) beyond() bool {
	return slices.ContainsFunc(ns, func(n Network) bool { return !n.prefix.Addr().IsLoopback() })
}

// thisMachine returns the default of Listener.Allow on a loopback address.
func thisMachine() Networks {
	return Networks{
		{netip.MustParsePrefix("127.0.0.0/8")},
		{netip.MustParsePrefix("::1/128")},
	}
}

// Network returns the network and the address for net.Listen: "tcp" and
// "127.0.0.1:2525", or "unix" and "/run/heyrelay.sock"; for a socket that systemd
// opens, "systemd" and the socket's name.
func (l Listener) Network() (network, address string) {
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		return "unix", path
	}
	if name, ok := strings.CutPrefix(l.Address, "systemd:"); ok {
		return "systemd", name
	}
	return "tcp", l.Address
}

// Matches reports whether a message uses the route, by its user ("" for none), its
// client's address (the zero Addr for a unix socket), its envelope sender ("" for
// <>) and the address in its From header field.
func (m Match) Matches(user string, client netip.Addr, sender, from string) bool {
	return (m.User == nil || slices.Contains(m.User, user)) &&
		(m.Client == nil || m.Client.Contains(client)) &&
		(m.Sender == nil || m.Sender.Match(sender)) &&
		(m.From == nil || m.From.Match(from))
}

// unauthenticated returns the part of a network served without a password whose
// clients are not on this machine and may use the route.
func (m Match) unauthenticated(served Network) (from Network, ok bool) {
	if m.User != nil {
		return Network{}, false
	}
	clients := m.Client
	if clients == nil {
		clients = Networks{served}
	}
	for _, c := range clients {
		if !c.prefix.Overlaps(served.prefix) {
			continue
		}
		from = c
		if from.prefix.Bits() < served.prefix.Bits() {
			from = served
		}
		if !from.prefix.Addr().IsLoopback() {
			return from, true
		}
	}
	return Network{}, false
}

// all reports whether every message matches.
func (m Match) all() bool {
	everything := func(ps Patterns) bool { return ps == nil || slices.Contains(ps, Pattern{"*"}) }
	return m.User == nil && m.Client == nil && everything(m.Sender) && everything(m.From)
}
