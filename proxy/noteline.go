package proxy

import (
	"bytes"

	"paddock/proxy/http1"
)

// noteLine fills in what the log may know of a request without a whole head: what
// nginx had read of it when it gave up.
func (x *exchange) noteLine() {
	x.noteTarget()
	x.NoVersion = x.req.BadVersion() && hasVersion(x.req.Line)
	if len(x.req.Fields) > 0 {
		x.Request = &x.req
	}
	x.noteServer()
	x.ServerName = x.server.name
}

// noteTarget fills in the request line.
func (x *exchange) noteTarget() {
	r := &x.req
	x.Line, x.Method, x.Target = r.Line, r.Method, originForm(r)
	x.Path, x.Query, x.HasQuery = r.NormalPath, r.Query, r.HasQuery
	x.RequestLength = int64(r.Length())
	if r.Method != nil {
		x.Protocol = protocols[r.Minor]
	}
}

// protocols are the values of $server_protocol by the minor version.
var protocols = [10]string{
	"HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "HTTP/1.3", "HTTP/1.4", "HTTP/1.5", "HTTP/1.6", "HTTP/1.7", "HTTP/1.8", "HTTP/1.9",
}

// originForm is the target without scheme and authority: $request_uri. A URL without
// a path has "/" there.
func originForm(r *http1.Request) []byte {
	if len(r.Target) == 0 || r.Target[0] == '/' || r.Target[0] == '*' {
		return r.Target
	}
	_, rest, ok := bytes.Cut(r.Target, schemeEnd)
	i := bytes.IndexAny(rest, "/?")
	switch {
	case !ok: // of CONNECT
		return r.Target
	case i < 0:
		return slash
	case rest[i] == '?':
		return append(bytes.Clone(slash), rest[i:]...)
	}
	return rest[i:]
}

var (
	schemeEnd = []byte("://")
	slash     = []byte("/")
	blank     = []byte(" ")
)

// hasVersion reports whether the third word of a line begins as a version does: nginx
// then knows that there was one.
func hasVersion(line []byte) bool {
	_, rest, _ := bytes.Cut(line, blank)
	_, rest, _ = bytes.Cut(rest, blank)
	return len(rest) > 0 && rest[0] == 'H'
}

// noteServer finds the server that a Host field names which came before the head was
// refused, as nginx does when it reads the field: that server's log has the line.
func (x *exchange) noteServer() {
	host, found := x.req.Get("host")
	if !found || x.req.Method == nil {
		return
	}
	name, _, ok := http1.ParseHost(host)
	if !ok || len(name) == 0 {
		return
	}
	x.Host = bytes.ToLower(name)
	if at := x.snap.sites[x.conn.listener.key]; at != nil {
		if s := at.names.find(x.Host); s != nil {
			x.server = s
		}
	}
}
