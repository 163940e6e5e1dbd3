package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
)

// Bounds of a PROXY protocol header, in bytes.
const (
	maxProxyLine   = 107     // version 1: the longest line there can be (the specification, 2.1)
	maxProxyHeader = 4 << 10 // version 2 with its TLVs, as nginx: certificates in them outgrow the 536 that every receiver has to take
	proxyFixed     = 16      // version 2: signature, version and command, family, length
)

// proxyHeader is what a PROXY protocol header says. The addresses are zero when it
// speaks for nobody: LOCAL, UNKNOWN, or a family other than TCP over IPv4 and IPv6.
type proxyHeader struct {
	client, server netip.AddrPort
}

// named is whom a PROXY protocol header named; zero: nobody.
func (h *proxyHeader) named() netip.AddrPort {
	if h == nil {
		return netip.AddrPort{}
	}
	return h.client
}

var (
	errProxyMore    = errors.New("the PROXY protocol header is not complete")
	errProxyMissing = errors.New("the connection does not begin with a PROXY protocol header")
	errProxyLine    = errors.New("malformed PROXY protocol line (version 1)")
	errProxyBinary  = errors.New("malformed PROXY protocol header (version 2)")
	errProxyLong    = errors.New("the PROXY protocol header is too long")
)

var (
	proxySignature = []byte("\r\n\r\n\x00\r\nQUIT\n")
	proxyWord      = []byte("PROXY ")
)

// parseProxyHeader reads the header that buf begins with and returns its length.
// errProxyMore: what is there is valid so far. Every other error is final.
// (The PROXY protocol, versions 1 and 2, haproxy.org/download/3.0/doc/proxy-protocol.txt)
func parseProxyHeader(buf []byte) (h proxyHeader, n int, err error) {
	switch {
	case begins(buf, proxyWord):
		return parseProxyLine(buf)
	case begins(buf, proxySignature):
		return parseProxyBinary(buf)
	}
	return h, 0, errProxyMissing
}

// begins reports whether buf begins with prefix, or may once more of it is there.
func begins(buf, prefix []byte) bool {
	n := min(len(buf), len(prefix))
	return bytes.Equal(buf[:n], prefix[:n])
}

// parseProxyLine reads "PROXY TCP4 client server port port" CRLF, or "PROXY
// UNKNOWN" and anything up to CRLF.
func parseProxyLine(buf []byte) (h proxyHeader, n int, err error) {
	line, _, found := bytes.Cut(buf[:min(len(buf), maxProxyLine)], crlf)
	switch {
	case !found && len(buf) >= maxProxyLine:
		return h, 0, errProxyLong
	case !found:
		return h, 0, errProxyMore
	}
	n = len(line) + len(crlf)
	rest := line[len(proxyWord):]
	if bytes.Equal(rest, []byte("UNKNOWN")) || bytes.HasPrefix(rest, []byte("UNKNOWN ")) {
		return h, n, nil
	}
	parts := bytes.Split(rest, []byte(" "))
	if len(parts) != 5 {
		return h, 0, errProxyLine
	}
	family := string(parts[0])
	client, ok1 := proxyAddr(family, parts[1], parts[3])
	server, ok2 := proxyAddr(family, parts[2], parts[4])
	if !ok1 || !ok2 {
		return h, 0, errProxyLine
	}
	return proxyHeader{client, server}, n, nil
}

func proxyAddr(family string, host, port []byte) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(string(host))
	if err != nil || addr.Zone() != "" || family != "TCP4" && family != "TCP6" || addr.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, false
	}
	n, ok := parsePort(port)
	return netip.AddrPortFrom(addr.Unmap(), n), ok
}

// parsePort reads a port as everybody writes it: digits, no zero in front.
func parsePort(text []byte) (uint16, bool) {
	if len(text) == 0 || len(text) > len("65535") || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return uint16(n), n <= 65535
}

// What version 2 says in its bytes 12 and 13.
const (
	proxyV2Local, proxyV2Proxy = 0x20, 0x21
	proxyTCP4, proxyTCP6       = 0x11, 0x21
)

// parseProxyBinary reads version 2. TLVs are stepped over.
func parseProxyBinary(buf []byte) (h proxyHeader, n int, err error) {
	if len(buf) > 12 && buf[12] != proxyV2Local && buf[12] != proxyV2Proxy {
		return h, 0, errProxyBinary
	}
	if len(buf) < proxyFixed {
		return h, 0, errProxyMore
	}
	n = proxyFixed + int(binary.BigEndian.Uint16(buf[14:]))
	switch {
	case n > maxProxyHeader:
		return h, 0, errProxyLong
	case len(buf) < n:
		return h, 0, errProxyMore
	case buf[12] == proxyV2Local: // the proxy's own: a health check
		return h, n, nil
	}
	body := buf[proxyFixed:n]
	switch buf[13] {
	case proxyTCP4:
		h, err = proxyPair(body, 4)
	case proxyTCP6:
		h, err = proxyPair(body, 16)
	}
	return h, n, err
}

// proxyPair reads two addresses of size bytes and their two ports.
func proxyPair(body []byte, size int) (h proxyHeader, err error) {
	if len(body) < 2*size+4 {
		return h, errProxyBinary
	}
	client, _ := netip.AddrFromSlice(body[:size])
	server, _ := netip.AddrFromSlice(body[size : 2*size])
	ports := body[2*size:]
	h.client = netip.AddrPortFrom(client.Unmap(), binary.BigEndian.Uint16(ports))
	h.server = netip.AddrPortFrom(server.Unmap(), binary.BigEndian.Uint16(ports[2:]))
	return h, nil
}
