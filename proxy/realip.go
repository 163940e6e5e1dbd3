package proxy

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"paddock/internal/value"
	"paddock/proxy/http1"
)

// realip says which peers are proxies that are believed, and where they say whom
// they speak for (nginx: set_real_ip_from, real_ip_header, real_ip_recursive).
type realip struct {
	networks  []netip.Prefix
	unix      bool   // every peer on a unix socket
	header    string // in lower case; "" for proxy_protocol
	recursive bool   // step over the addresses that are believed themselves
}

const (
	defaultRealIPHeader = "x-real-ip"      // nginx
	realIPProxyProtocol = "proxy_protocol" // no field: the header of the PROXY protocol
)

// realip resolves what a server or location sets over what it inherits. nil:
// nobody is believed.
func (c *compiler) realip(key string, own *Settings, base *realip) *realip {
	if own.SetRealIPFrom == nil && own.RealIPHeader == nil && own.RealIPRecursive == nil {
		return base
	}
	r := &realip{header: defaultRealIPHeader}
	if base != nil {
		*r = *base
	}
	if own.SetRealIPFrom != nil {
		r.networks, r.unix = nil, false
		c.addPeers(value.Join(key, "set_real_ip_from"), r, own.SetRealIPFrom)
	}
	if own.RealIPHeader != nil {
		r.header = c.realIPHeader(value.Join(key, "real_ip_header"), *own.RealIPHeader)
	}
	if own.RealIPRecursive != nil {
		r.recursive = *own.RealIPRecursive
	}
	return r
}

func (c *compiler) addPeers(key string, r *realip, texts []string) {
	for _, text := range texts {
		if text == "unix:" {
			r.unix = true
			continue
		}
		network, err := parseNetwork(text)
		if err != nil {
			c.problems.Addf(key, "%v", err)
			continue
		}
		r.networks = append(r.networks, network)
	}
}

func (c *compiler) realIPHeader(key, name string) string {
	if name == realIPProxyProtocol {
		return ""
	}
	if !http1.IsToken(name) {
		c.problems.Addf(key, `%q: expected the name of a field such as "X-Forwarded-For", or "proxy_protocol"`, name)
	}
	return strings.ToLower(name)
}

// parseNetwork reads an address or a network. IPv4 within IPv6 is IPv4.
func parseNetwork(text string) (netip.Prefix, error) {
	host, _, network := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(host)
	if err == nil && addr.Zone() == "" {
		p := netip.PrefixFrom(addr, addr.BitLen())
		if network {
			p, err = netip.ParsePrefix(text)
		}
		if err == nil {
			return unmapPrefix(p), nil
		}
	}
	return netip.Prefix{}, fmt.Errorf(`%q: expected an address, a network such as "10.0.0.0/8", or "unix:"`, text)
}

func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// trusts reports whether a peer is believed; the zero address is a unix socket.
func (r *realip) trusts(peer netip.Addr) bool {
	if !peer.IsValid() {
		return r.unix
	}
	for _, n := range r.networks {
		if n.Contains(peer) {
			return true
		}
	}
	return false
}

// clientIn finds the client in a list to which each proxy has appended whom it
// speaks for: the last address, or with recursive the last one that is not believed
// itself. What is no address ends the search; what was found before it holds.
func (r *realip) clientIn(list []byte) (client netip.AddrPort) {
	for {
		list = bytes.TrimRight(list, listBlanks)
		i := bytes.LastIndexAny(list, listBlanks)
		next, ok := parseForwardedAddr(list[i+1:])
		if !ok {
			return client
		}
		client = next
		if i < 0 || !r.recursive || !r.trusts(client.Addr()) {
			return client
		}
		list = list[:i]
	}
}

const (
	listBlanks       = " \t,"
	maxForwardedAddr = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535")
)

// parseForwardedAddr reads an address with or without a port: "192.0.2.1",
// "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80".
func parseForwardedAddr(text []byte) (netip.AddrPort, bool) {
	if len(text) == 0 || len(text) > maxForwardedAddr {
		return netip.AddrPort{}, false
	}
	host, port := splitPort(text)
	addr, err := netip.ParseAddr(string(host))
	if err != nil || addr.Zone() != "" || addr.Is4() && text[0] == '[' {
		return netip.AddrPort{}, false
	}
	if port == nil {
		return netip.AddrPortFrom(addr.Unmap(), 0), true
	}
	n, ok := parsePort(port)
	return netip.AddrPortFrom(addr.Unmap(), n), ok && n > 0
}

// splitPort cuts the port off; nil when there is none. Of a bracketed address the
// brackets go too.
func splitPort(text []byte) (host, port []byte) {
	if text[0] == '[' {
		host, rest, closed := bytes.Cut(text[1:], []byte("]"))
		switch {
		case closed && len(rest) == 0:
			return host, nil
		case closed && rest[0] == ':':
			return host, rest[1:]
		}
		return nil, nil
	}
	if i := bytes.IndexByte(text, ':'); i >= 0 && bytes.IndexByte(text[i+1:], ':') < 0 {
		return text[:i], text[i+1:]
	}
	return text, nil
}
