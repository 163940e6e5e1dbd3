package proxy

import (
	"bytes"
	"time"
)

// precondition applies RFC 9110 13.2 as nginx does (its not_modified filter): a
// 412 is an error, a 304 changes the reply.
func (x *exchange) precondition(r *reply) error {
	h := &x.req
	if v, ok := h.Get("if-unmodified-since"); ok && !unmodified(v, r.file.modified) {
		return errPrecondition
	}
	if v, ok := h.Get("if-match"); ok && !matchETag(v, r.file.etag, false) {
		return errPrecondition
	}
	since, hasSince := h.Get("if-modified-since")
	none, hasNone := h.Get("if-none-match")
	switch {
	case !hasSince && !hasNone:
	case hasSince && !sameTime(since, r.file.modified):
	case hasNone && !matchETag(none, r.file.etag, true):
	default:
		r.status = 304
	}
	return nil
}

var errPrecondition = &refusal{status: 412}

func unmodified(since []byte, modified time.Time) bool {
	t, ok := parseHTTPTime(since)
	return ok && !t.Before(modified)
}

// sameTime is nginx's if_modified_since exact.
func sameTime(since []byte, modified time.Time) bool {
	t, ok := parseHTTPTime(since)
	return ok && t.Equal(modified)
}

// parseHTTPTime reads the three forms of RFC 9110 5.6.7.
func parseHTTPTime(text []byte) (time.Time, bool) {
	for _, layout := range [...]string{dateLayout, time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// matchETag reports whether a list holds the tag or is "*". weak: "W/" does not
// count (RFC 9110 8.8.3.2).
func matchETag(list, etag []byte, weak bool) bool {
	if len(list) == 1 && list[0] == '*' {
		return true
	}
	for len(list) > 0 {
		if weak {
			list = bytes.TrimPrefix(list, weakPrefix)
		}
		if rest, ok := bytes.CutPrefix(list, etag); ok {
			if rest = bytes.TrimLeft(rest, " \t"); len(rest) == 0 || rest[0] == ',' {
				return true
			}
		}
		i := bytes.IndexByte(list, ',')
		if i < 0 {
			return false
		}
		list = bytes.TrimLeft(list[i:], " \t,")
	}
	return false
}

var weakPrefix = []byte("W/")
