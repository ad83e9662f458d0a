package caller

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"turnout/internal/domain"
)

// maxHops is how many addresses of X-Forwarded-For are looked at.
const maxHops = 32

// Address is where a request comes from: the other end of its connection; where that is a trusted proxy, the last
// address of X-Forwarded-For that is none. An entry that cannot be read is nobody's, and nothing before it is believed. Invalid: not known.
func Address(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := plain(peer.Addr())
	if !within(trusted, at) {
		return at
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= max(0, len(hops)-maxHops); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		switch {
		case hops[i] == "" && len(hops) == 1: // the proxy states none: the request is its own
			return at
		case !ok:
			return netip.Addr{}
		case !within(trusted, hop):
			return hop
		}
		at = hop
	}
	return at
}

// parseHop reads an address, with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return plain(a), true
	}
	a, err := netip.ParseAddrPort(s)
	return plain(a.Addr()), err == nil
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func within(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// CheckAddress refuses a request that does not come from where the key may be used. trusted are the proxies that are believed.
func CheckAddress(k *domain.Key, r *http.Request, trusted []netip.Prefix) error {
	if len(k.Networks) == 0 {
		return nil
	}
	from := Address(r, trusted)
	if from.IsValid() && k.Admits(from) {
		return nil
	}
	where := "an address that is not known"
	if from.IsValid() {
		where = from.String()
	}
	return &domain.Error{
		Kind: domain.KindForbidden, Op: doing, Code: "network_not_allowed",
		Message: "This API key may not be used from " + where + ". Ask whoever runs this Turnout to add the network.",
	}
}
