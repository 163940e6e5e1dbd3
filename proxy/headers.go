package proxy

import (
	"paddock/proxy/http1"
)

// appendRequestHead appends the head that the app gets. Nothing of the client's
// head goes on as bytes; what it said of itself in forwarded-for fields is
// dropped unless it is believed, since gunicorn believes these from a unix socket
// whoever sent them.
func (x *exchange) appendRequestHead(dst []byte, keep bool) []byte {
	dst = x.appendRequestLine(dst)
	host := x.req.Host
	if len(host) == 0 {
		host = x.Host // HTTP/1.0 without one; gunicorn makes SERVER_NAME of it
	}
	set := x.place.site.set
	if !set.has("host") {
		dst = http1.AppendField(dst, "Host", host)
	}
	if !set.has("x-real-ip") {
		dst = http1.AppendField(dst, "X-Real-IP", x.remote)
	}
	if !set.has("x-forwarded-for") {
		dst = http1.AppendField(dst, "X-Forwarded-For", x.ForwardedFor)
	}
	if !set.has("x-forwarded-proto") {
		dst = http1.AppendField(dst, "X-Forwarded-Proto", x.ForwardedProto)
	}
	if x.forwardedHost != nil {
		host = x.forwardedHost
	}
	if !set.has("x-forwarded-host") {
		dst = http1.AppendField(dst, "X-Forwarded-Host", host)
	}
	dst = x.appendSetFields(dst)
	switch {
	case x.body.streamed && x.body.chunked:
		dst = http1.AppendField(dst, "Transfer-Encoding", "chunked")
	case x.body.streamed:
		dst = http1.AppendIntField(dst, "Content-Length", x.req.ContentLength)
	case x.req.HasBody() || x.req.ContentLength == 0:
		dst = http1.AppendIntField(dst, "Content-Length", x.body.size)
	}
	if x.upgrade {
		dst = appendUpgrade(dst)
	} else if !keep {
		dst = http1.AppendField(dst, "Connection", "close")
	}
	dst = x.req.Fields.AppendForwardable(dst, false)
	return http1.AppendEnd(dst)
}

// appendRequestLine sends the target as received, unless proxy_pass has a URI:
// that takes the place of the location's part of the decoded path.
func (x *exchange) appendRequestLine(dst []byte) []byte {
	p := x.place.pass
	if !p.hasURI && !x.detour.rewritten {
		x.scratch = x.req.AppendTarget(x.scratch[:0])
		return http1.AppendRequestLine(dst, x.Method, x.scratch)
	}
	x.scratch = append(x.scratch[:0], p.uri...)
	x.scratch = http1.AppendEscapedPath(x.scratch, x.Path[min(p.prefix, len(x.Path)):])
	if x.HasQuery && (len(x.Query) > 0 || !x.detour.rewritten) {
		x.scratch = append(append(x.scratch, '?'), x.Query...)
	}
	return http1.AppendRequestLine(dst, x.Method, x.scratch)
}
