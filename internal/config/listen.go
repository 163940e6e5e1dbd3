package config

import (
	"net/netip"

	"paddock/internal/value"
)

// checkListens refuses two sockets of which one takes the other's connections: the
// second could not be bound.
func (c *Config) checkListens(problems *value.Problems) {
	wide := map[string]bool{} // keys of the sockets that listen on every address
	for _, server := range c.Servers {
		for _, l := range server.Listen {
			if l.Unix == "" && l.Addr.Addr().IsUnspecified() {
				wide[l.Key()] = true
			}
		}
	}
	for i, server := range c.Servers {
		for j, l := range server.Listen {
			at := value.Join(value.Index("server", i), "listen")
			if len(server.Listen) > 1 {
				at = value.Index(at, j)
			}
			for _, w := range wider(l) {
				if wide[w.Key()] {
					problems.Addf(at, "%s is a part of %s, which is listened on too; expected one of the two", l.Key(), w.Key())
					break
				}
			}
		}
	}
}

// wider lists the sockets that would take the connections of l. Sockets of IPv6
// take no IPv4, except for ours that is for both.
func wider(l value.Listen) []value.Listen {
	if l.Unix != "" || l.Both {
		return nil
	}
	port, every := l.Addr.Port(), netip.IPv6Unspecified()
	found := []value.Listen{{Addr: netip.AddrPortFrom(every, port), Both: true}}
	if l.Addr.Addr().Is4() {
		every = netip.IPv4Unspecified()
	}
	if !l.Addr.Addr().IsUnspecified() {
		found = append(found, value.Listen{Addr: netip.AddrPortFrom(every, port)})
	}
	return found
}
