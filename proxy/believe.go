package proxy

import (
	"bytes"
	"net/netip"
	"strconv"

	"paddock/accesslog"
	"paddock/proxy/http1"
)

// spokenFor is a client as a trusted proxy named it: what the log knows of its
// connection, and the words that said so, because the next request on the
// connection often repeats them.
type spokenFor struct {
	by   *realip
	list []byte
	info accesslog.Conn
	text []byte // info.RemoteAddr
}

// believe takes what the peer says of the client for true, if r has it among the
// trusted ones. A server's realip comes before its location's, as in nginx.
func (x *exchange) believe(r *realip) {
	if r == nil || x.believed || !r.trusts(x.conn.peer) {
		return
	}
	x.believed = true
	x.findClient(r)
	x.ForwardedFor = x.remote
	if r.header == "" && !r.trusts(x.conn.proxied.named().Addr()) {
		return // who speaks the PROXY protocol passes bytes on: the fields are the client's own words
	}
	x.outside = true
	x.keepForwarded()
	x.ForwardedFor = x.appendForwardedFor()
	x.ForwardedProto = x.forwardedScheme()
	x.forwardedHost = x.trustedHost()
}

// believeInPlace is the location's turn. Of a peer that is not believed even the
// field that names the client is removed, so that no app takes it for Paddock's.
func (x *exchange) believeInPlace() {
	r := x.place.realip
	x.believe(r)
	if r == nil || x.believed || r.header == "" {
		return
	}
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; isField(f.Name, r.header) {
			f.Drop = true
		}
	}
}

// findClient makes the address that the peer names the request's $remote_addr. The
// peer's own stays when it names none.
func (x *exchange) findClient(r *realip) {
	if r.header == "" {
		x.speakFor(r, nil, x.conn.proxied.named())
		return
	}
	var found bool
	if x.scratch, found = x.req.AppendValues(x.scratch[:0], r.header); !found {
		return
	}
	if last := x.conn.client; last != nil && last.by == r && bytes.Equal(last.list, x.scratch) {
		x.Conn, x.remote = &last.info, last.text
		return
	}
	x.speakFor(r, x.scratch, r.clientIn(x.scratch))
}

func (x *exchange) speakFor(r *realip, list []byte, client netip.AddrPort) {
	if !client.IsValid() {
		return
	}
	c := x.conn
	if c.client == nil {
		c.client = new(spokenFor)
	}
	s := c.client
	s.by, s.list, s.info = r, append(s.list[:0], list...), c.info
	s.info.PeerAddr, s.info.PeerPort = c.info.RemoteAddr, c.info.RemotePort
	s.info.RemoteAddr, s.info.RemotePort = client.Addr().String(), ""
	if client.Port() > 0 {
		s.info.RemotePort = strconv.Itoa(int(client.Port()))
	}
	s.text = append(s.text[:0], s.info.RemoteAddr...)
	x.Conn, x.remote = &s.info, s.text
}

// keepForwarded lets the forwarded fields go on to the app, but for those that we
// write anew, and other spellings of the scheme: gunicorn answers 400 when two of
// these disagree.
func (x *exchange) keepForwarded() {
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.Forwarded && !isRewritten(f) {
			f.Forwarded = false
		}
	}
}

func isRewritten(f *http1.Field) bool {
	for _, name := range [...]string{
		"x-forwarded-for", "x-real-ip", "x-forwarded-proto", "x-forwarded-host",
		"x-forwarded-protocol", "x-forwarded-scheme", "x-forwarded-ssl",
	} {
		if isField(f.Name, name) {
			return true
		}
	}
	return false
}

// appendForwardedFor appends $remote_addr to what came, as nginx does: the last
// address is always the client that Paddock believes in.
func (x *exchange) appendForwardedFor() []byte {
	x.forwarded, _ = x.req.AppendValues(x.forwarded[:0], "x-forwarded-for")
	x.forwarded = bytes.TrimRight(x.forwarded, listBlanks)
	if len(x.forwarded) > 0 {
		x.forwarded = append(x.forwarded, ", "...)
	}
	x.forwarded = append(x.forwarded, x.remote...)
	return x.forwarded
}

// forwardedScheme is the scheme that the peer names, of several the last: its own
// word. Some write that of the WebSocket (Traefik; uvicorn issue 1935).
func (x *exchange) forwardedScheme() string {
	x.scratch, _ = x.req.AppendValues(x.scratch[:0], "x-forwarded-proto")
	last := x.scratch[bytes.LastIndexAny(x.scratch, listBlanks)+1:]
	switch {
	case isField(last, "https"), isField(last, "wss"):
		return "https"
	case isField(last, "http"), isField(last, "ws"):
		return "http"
	}
	return x.conn.info.Scheme
}

// trustedHost is the name that the client asked the peer for; nil without a valid one.
func (x *exchange) trustedHost() []byte {
	host, found := x.req.Get("x-forwarded-host")
	if !found {
		return nil
	}
	if _, _, ok := http1.ParseHost(host); !ok || len(host) == 0 {
		return nil
	}
	return host
}

// absoluteOutside makes a URL of a path as the client of a trusted proxy sees it:
// our own scheme and port are of no use there.
func (x *exchange) absoluteOutside(place []byte) []byte {
	host := x.forwardedHost
	if host == nil {
		host = x.req.Host
	}
	if len(host) == 0 {
		host = x.Host
	}
	full := make([]byte, 0, len("https://")+len(host)+len(place))
	full = append(append(full, x.ForwardedProto...), "://"...)
	return append(append(full, host...), place...)
}
