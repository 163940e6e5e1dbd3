package proxy

import "paddock/proxy/http1"

// appendAppFields appends the fields of an app's answer: as they came, but for
// what is between the app and us, and what the place hides or replaces.
func (x *exchange) appendAppFields(compress bool) {
	a := &x.try.answer
	for i := range a.Fields {
		f := &a.Fields[i]
		switch {
		case f.Drop || isOurs(f.Name) || x.isReplaced(f.Name):
		case compress && isField(f.Name, "accept-ranges"):
		case compress && isField(f.Name, "etag") && len(f.Value) > 0 && f.Value[0] == '"':
			x.out = append(append(append(x.out, f.Name...), ": W/"...), f.Value...)
			x.out = append(x.out, "\r\n"...)
		default:
			x.out = http1.AppendField(x.out, f.Name, f.Value)
		}
	}
	if tag := x.added.etagText; len(tag) > 0 {
		x.out = http1.AppendField(x.out, "ETag", tag)
	}
}

// isReplaced reports whether a field gives way to expires or add_header, or is hidden.
func (x *exchange) isReplaced(name []byte) bool {
	switch set := &x.added; {
	case set.expires && isExpiresField(name):
		return true
	case set.lastModified && isField(name, "last-modified"):
		return true
	case set.etag && isField(name, "etag"):
		return true
	}
	return x.isHidden(name)
}

// isHidden reports whether proxy_hide_header names the field.
func (x *exchange) isHidden(name []byte) bool {
	for _, hidden := range x.place.site.hide {
		if isField(name, hidden) {
			return true
		}
	}
	return false
}

func isField(name []byte, lower string) bool {
	return len(name) == len(lower) && equalFold(name, lower)
}

// wouldCompress decides whether the app's answer goes out compressed. An answer
// to HEAD gets the same fields, as in nginx.
func (x *exchange) wouldCompress(kind http1.Body, length int64) bool {
	if !x.place.site.gzip.on {
		return false
	}
	a := &x.try.answer
	if kind == http1.None {
		if length = a.ContentLength; string(x.Method) != "HEAD" {
			length = 0
		}
	}
	_, encoded := a.Get("content-encoding")
	contentType, _ := a.Get("content-type")
	return x.mayCompress(string(contentType), length, encoded)
}
