package http1

import "bytes"

// maxHostName is the longest name that DNS allows, in bytes (RFC 1035 2.3.4).
const maxHostName = 253

// maxPort is the greatest port number.
const maxPort = 1<<16 - 1

// ParseHost checks a Host value or an authority: a name or an IPv6 address in
// brackets, then an optional port of up to five digits, which may be empty (RFC
// 3986 3.2.3). Names are letters, digits, "-", ".", "_" and "~" in labels that
// are not empty, at most 253 bytes, with an optional dot at the end. Escapes and
// sub-delims, which the grammar allows but no resolver knows, are refused.
//
// name is as received, without that dot; an address keeps its brackets.
func ParseHost(host []byte) (name, port []byte, ok bool) {
	if len(host) > 0 && host[0] == '[' {
		end := bytes.IndexByte(host, ']')
		if end < 0 || !isIPv6(host[1:end]) {
			return nil, nil, false
		}
		name, port = host[:end+1], host[end+1:]
	} else {
		end := bytes.IndexByte(host, ':')
		if end < 0 {
			end = len(host)
		}
		name, port = bytes.TrimSuffix(host[:end], dot), host[end:]
		if !isHostName(name) {
			return nil, nil, false
		}
	}
	if len(port) == 0 {
		return name, nil, true
	}
	return name, port[1:], port[0] == ':' && isPort(port[1:])
}

var dot = []byte{'.'}

func isHostName(name []byte) bool {
	if len(name) == 0 || len(name) > maxHostName || name[len(name)-1] == '.' {
		return false
	}
	last := byte('.')
	for _, c := range name {
		if class[c]&isHost == 0 || c == '.' && last == '.' {
			return false
		}
		last = c
	}
	return true
}

func isPort(p []byte) bool {
	if len(p) > len("65535") {
		return false
	}
	n := 0
	for _, c := range p {
		if class[c]&isDigit == 0 {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= maxPort
}

// isIPv6 checks RFC 3986 3.2.2 IPv6address: eight groups, or fewer around one
// "::", the last two of which may be an IPv4 address. A zone is refused: it means
// something on the client's machine only.
func isIPv6(a []byte) bool {
	const groups = 8
	n, short := 0, false
	if bytes.HasPrefix(a, doubleColon) {
		short, a = true, a[2:]
	}
	for len(a) > 0 {
		end := bytes.IndexByte(a, ':')
		if end < 0 {
			return lastGroups(a, n, short, groups)
		}
		if !isGroup(a[:end]) {
			return false
		}
		n++
		a = a[end+1:]
		switch {
		case len(a) == 0: // one colon at the end
			return false
		case a[0] == ':':
			if short {
				return false
			}
			short, a = true, a[1:]
		}
	}
	return short && n < groups
}

var doubleColon = []byte("::")

// lastGroups checks what no colon follows, after n groups.
func lastGroups(a []byte, n int, short bool, groups int) bool {
	switch {
	case isGroup(a):
		n++
	case isIPv4(a):
		n += 2
	default:
		return false
	}
	return n == groups || short && n < groups
}

func isGroup(a []byte) bool {
	for _, c := range a {
		if class[c]&isHex == 0 {
			return false
		}
	}
	return len(a) >= 1 && len(a) <= 4
}

func isIPv4(a []byte) bool {
	for range 3 {
		part, rest, found := bytes.Cut(a, dot)
		if !found || !isOctet(part) {
			return false
		}
		a = rest
	}
	return isOctet(a)
}

func isOctet(a []byte) bool {
	if len(a) == 0 || len(a) > 3 || len(a) > 1 && a[0] == '0' {
		return false
	}
	return isPort(a) && (len(a) < 3 || string(a) <= "255")
}

// lowerHost returns name in lower case: itself, or a copy in the Request.
func (r *Request) lowerHost(name []byte) []byte {
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			r.hostBuf = appendLower(r.hostBuf[:0], name)
			return r.hostBuf
		}
	}
	return name
}

func appendLower(dst, name []byte) []byte {
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
