package proxy

import "paddock/proxy/http1"

// announcesMore reports whether an answer that has no body (to HEAD, 204, 304)
// speaks of one all the same, or says nothing of its length, as one that lasts until
// the connection closes. Some apps then send it, and the next answer on the
// connection would begin with it: the connection is not used again.
func (x *exchange) announcesMore() bool {
	t := &x.try
	if t.framing.kind != http1.None {
		return false
	}
	lasts := t.answer.ContentLength < 0 && t.answer.Status != 204 && t.answer.Status != 304
	return t.answer.Chunked || t.answer.ContentLength > 0 || lasts
}
