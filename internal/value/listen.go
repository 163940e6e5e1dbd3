package value

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultBacklog is the length of a listening socket's queue (nginx: listen, backlog=511).
const DefaultBacklog = 511

// Listen is one listen address with its parameters, in nginx's syntax:
//
//	80              every IPv4 address        *:80      the same
//	127.0.0.1:80    one address               [::]:80   every IPv6 address
//	localhost:80    127.0.0.1                 :80       every IPv4 and IPv6 address (ours)
//	unix:/path      a unix socket
//
// followed by any of default_server, backlog=N, ssl, http2, and proxy_protocol: every
// connection begins with a PROXY protocol header.
type Listen struct {
	Text          string         // as written
	Addr          netip.AddrPort // zero for a unix socket
	Both          bool           // IPv4 and IPv6 on one socket (":80")
	Unix          string         // path of a unix socket
	DefaultServer bool
	Backlog       int
	ProxyProtocol bool // every connection begins with a PROXY protocol header
	SSL           bool // every connection speaks TLS
	HTTP2         bool // connections may speak HTTP/2
}

// Key names the socket: two entries with one key share it.
func (l Listen) Key() string {
	switch {
	case l.Unix != "":
		return "unix:" + l.Unix
	case l.Both:
		return ":" + strconv.Itoa(int(l.Addr.Port()))
	}
	return l.Addr.String()
}

// String returns the entry as it was written.
func (l Listen) String() string { return l.Text }

// MarshalJSON writes the fields and not the text, which does not say what a
// relative path is relative to.
func (l Listen) MarshalJSON() ([]byte, error) {
	type fields Listen
	return json.Marshal(fields(l))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Listen) UnmarshalJSON(data []byte) error {
	type fields Listen
	return json.Unmarshal(data, (*fields)(l))
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Listen) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) == 0 {
		return fmt.Errorf(`the address is empty; expected one such as "80", "127.0.0.1:8080" or "unix:/path"`)
	}
	out := Listen{Text: string(text), Backlog: DefaultBacklog}
	if err := out.parseAddress(words[0]); err != nil {
		return err
	}
	for _, w := range words[1:] {
		switch name, val, _ := strings.Cut(w, "="); name {
		case "default_server":
			if val != "" || strings.Contains(w, "=") {
				return fmt.Errorf("%q: default_server takes no value", w)
			}
			out.DefaultServer = true
		case "backlog":
			n, err := strconv.Atoi(val)
			if err != nil || n < 1 || n > 65535 {
				return fmt.Errorf("%q: expected backlog=N with N from 1 to 65535", w)
			}
			out.Backlog = n
		case "proxy_protocol":
			if strings.Contains(w, "=") {
				return fmt.Errorf("%q: proxy_protocol takes no value", w)
			}
			out.ProxyProtocol = true
		case "ssl":
			if strings.Contains(w, "=") {
				return fmt.Errorf("%q: ssl takes no value", w)
			}
			out.SSL = true
		case "http2":
			if strings.Contains(w, "=") {
				return fmt.Errorf("%q: http2 takes no value", w)
			}
			out.HTTP2 = true
		default:
			return fmt.Errorf("unknown parameter %q of a listen address; known are default_server, ssl, http2, proxy_protocol and backlog=N", w)
		}
	}
	*l = out
	return nil
}

func (l *Listen) parseAddress(s string) error {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" {
			return fmt.Errorf(`%q has no path; expected "unix:/path"`, s)
		}
		l.Unix = path
		return nil
	}
	host, port, found := "", s, false
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, port, found = s[:i], s[i+1:], true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf(`%q: expected a port from 1 to 65535, as in "80", "127.0.0.1:8080" or "[::]:80"`, s)
	}
	addr := netip.IPv4Unspecified()
	switch {
	case !found || host == "*":
	case host == "":
		addr, l.Both = netip.IPv6Unspecified(), true
	case host == "localhost":
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		bare, bracketed := strings.CutPrefix(host, "[")
		bare, closed := strings.CutSuffix(bare, "]")
		addr, err = netip.ParseAddr(bare)
		if err != nil || bracketed != closed || addr.Is4() == bracketed {
			return fmt.Errorf(`%q: %q is no IP address; expected one such as "127.0.0.1:8080" or "[::1]:8080"`, s, host)
		}
	}
	l.Addr = netip.AddrPortFrom(addr.Unmap(), uint16(n))
	return nil
}

// Listens is one listen address or an array of them.
type Listens []Listen

// UnmarshalTOML takes a string, a port number, or an array of these.
func (l *Listens) UnmarshalTOML(v any) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make(Listens, len(list))
	for i, e := range list {
		if err := unmarshalScalar(e, out[i].UnmarshalText, `a listen address such as "80" or "127.0.0.1:8080"`); err != nil {
			return err
		}
	}
	*l = out
	return nil
}
