package access

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"heyrelay/internal/problem"
)

// misdirected returns why a request is not for us, or comes from a page of another origin; nil
// if neither.
func (g *Guard) misdirected(r *http.Request) *problem.Problem {
	if !g.isOurs(r) {
		return &problem.Problem{
			Status: http.StatusMisdirectedRequest,
			Detail: "the console does not serve this host name",
			Field:  "Host",
			Remedy: "add it to console.hosts if it is correct, or use the address that heyrelay printed",
		}
	}
	if g.isForeign(r) {
		return &problem.Problem{
			Status: http.StatusForbidden,
			Detail: "the request came from a page of another origin",
			Field:  "Origin",
			Remedy: "open the console itself",
		}
	}
	return nil
}

// isOurs reports whether a request calls us by a name that nobody else can give us: a name of
// another party could be resolved to our address (DNS rebinding). The port does not matter: it
// may be forwarded.
func (g *Guard) isOurs(r *http.Request) bool {
	host := hostname(r.Host)
	if address, err := netip.ParseAddr(host); err == nil {
		return address.IsLoopback() || address.Unmap() == localAddress(r) || g.isListed(host)
	}
	return host == "localhost" || g.isListed(host)
}

// hostname returns the host of a Host field, in lower case, without port and brackets.
func hostname(field string) string {
	host, _, err := net.SplitHostPort(field)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(field, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func (g *Guard) isListed(host string) bool {
	for _, name := range g.options().Hosts {
		if strings.EqualFold(name, host) {
			return true
		}
	}
	return false
}

// localAddress returns our own address in the request's connection, the zero Addr if unknown.
func localAddress(r *http.Request) netip.Addr {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap()
}

// isForeign reports whether a page of another origin made a request. Following a link to us is
// allowed; the session's cookie does not come with it.
func (g *Guard) isForeign(r *http.Request) bool {
	if g.origins.Check(r) != nil {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	_, host, _ := strings.Cut(origin, "://")
	return !strings.EqualFold(host, r.Host)
}
