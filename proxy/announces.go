package proxy

import "paddock/proxy/http1"

// announcesMore reports whether an answer that has no body (to HEAD, 204, 304)
// speaks of one all the same. Some apps then send it, and the next answer on the
// connection would begin with it: the connection is not used again.
func (x *exchange) announcesMore() bool {
	t := &x.try
	return t.framing.kind == http1.None && (t.answer.Chunked || t.answer.ContentLength > 0)
}
