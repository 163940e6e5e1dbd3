package proxy

import (
	"bytes"

	"paddock/proxy/http1"
)

// divert looks whether the app's answer is to be replaced: by a file or another
// location (X-Accel-Redirect), or by an error page (proxy_intercept_errors).
func (x *exchange) divert() error {
	a := &x.try.answer
	rules := &x.place.site
	if rules.intercept && a.Status >= 300 && findPage(rules.errorPages, a.Status) != nil {
		if v, ok := a.Get("www-authenticate"); ok && a.Status == 401 {
			x.detour.kept = http1.AppendField(x.detour.kept, "WWW-Authenticate", v)
		}
		return x.abandon(&refusal{status: a.Status})
	}
	target, ok := a.Get("x-accel-redirect")
	if !ok || len(target) == 0 {
		return nil
	}
	x.keepFields()
	if target[0] == '@' {
		return x.abandon(x.turnToNamed(string(target[1:])))
	}
	path, query, hasQuery, ok := unsafeTarget(target)
	if !ok {
		return x.abandon(errNotFound)
	}
	x.becomeGet()
	return x.abandon(x.turnTo(path, query, hasQuery))
}

// abandon lets go of an app whose answer is not relayed, and returns err.
func (x *exchange) abandon(err error) error {
	x.last().Response = x.since(x.try.began)
	x.letGo()
	x.keepUpstreamHeader()
	x.upstream = nil
	x.try.reset()
	return err
}

// keepUpstreamHeader copies the app's fields for $upstream_http_NAME: their buffer is
// for the next answer.
func (x *exchange) keepUpstreamHeader() {
	kept := new(http1.Response)
	if _, err := kept.Parse(bytes.Clone(x.try.buf[:x.try.head]), &x.place.answerHead); err != nil {
		return // it was parsed before
	}
	x.UpstreamHeader = kept
}

// keepFields copies what nginx keeps of an answer with X-Accel-Redirect. The body
// that goes out is another, so that its length, validators and coding go.
func (x *exchange) keepFields() {
	d := &x.detour
	d.kept, d.keptType = d.kept[:0], d.keptType[:0]
	for i := range x.try.answer.Fields {
		f := &x.try.answer.Fields[i]
		switch name := lowered(f.Name); {
		case f.Drop:
		case string(name) == "content-type":
			d.keptType = append(d.keptType[:0], f.Value...)
		case isKept(string(name)):
			d.kept = http1.AppendField(d.kept, f.Name, f.Value)
		}
	}
}

// isKept: the fields that nginx's table marks for redirects. Content-Disposition
// names the download, Set-Cookie is the session's.
func isKept(lower string) bool {
	switch lower {
	case "set-cookie", "content-disposition", "cache-control", "expires":
		return true
	}
	return false
}

// appendKept appends what X-Accel-Redirect kept, without what expires replaces.
func (x *exchange) appendKept(dst []byte) []byte {
	kept := x.detour.kept
	if len(kept) == 0 {
		return dst
	}
	for len(kept) > 0 {
		end := lineEnd(kept)
		if line := kept[:end]; !x.added.expires || !isExpiresField(fieldName(line)) {
			dst = append(dst, line...)
		}
		kept = kept[end:]
	}
	return dst
}

// lineEnd is the length of the first field line with its CRLF.
func lineEnd(lines []byte) int {
	for i := 1; i < len(lines); i++ {
		if lines[i] == '\n' {
			return i + 1
		}
	}
	return len(lines)
}

func fieldName(line []byte) []byte {
	for i, c := range line {
		if c == ':' {
			return line[:i]
		}
	}
	return line
}

// isExpiresField reports whether expires writes the field.
func isExpiresField(name []byte) bool {
	switch len(name) {
	case len("expires"):
		return equalFold(name, "expires")
	case len("cache-control"):
		return equalFold(name, "cache-control")
	}
	return false
}

func lowered(name []byte) []byte {
	out := make([]byte, len(name))
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		out[i] = c
	}
	return out
}
