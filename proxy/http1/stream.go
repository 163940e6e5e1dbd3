package http1

// IsTarget reports whether every byte of s may stand in a request target.
func IsTarget[T string | []byte](s T) bool {
	for i := range len(s) {
		if class[s[i]]&isTarget == 0 {
			return false
		}
	}
	return len(s) > 0
}

// OfStream makes a parsed request what it is: one of HTTP/2, whose fields were
// written as a head of HTTP/1.1 for Parse. The version in Line, a part of the
// buffer that was parsed, is overwritten. body: the stream goes on behind the
// head. Its end is to be read also when ContentLength says that nothing comes: DATA
// might tell otherwise (RFC 9113 8.1.1).
func (r *Request) OfStream(body bool) {
	copy(r.Line[len(r.Line)-len("HTTP/2.0"):], "HTTP/2.0")
	r.Chunked = body && r.ContentLength <= 0
	if v, ok := r.Get("expect"); ok && r.Chunked {
		r.Expect100 = isContinue(v)
	}
}
