package http1

// Field is one field line of a head. Name and Value are slices of the buffer
// that was parsed: the name as received, the value without the blanks around it.
type Field struct {
	Name, Value []byte

	// Drop: not to be forwarded as received. Hop-by-hop and connection-named
	// fields; Content-Length and Transfer-Encoding, which whoever forwards writes
	// anew; of a request also Host, Proxy, Proxy-Authorization, Expect,
	// HTTP2-Settings, and names with a byte outside [A-Za-z0-9-].
	Drop bool

	// Forwarded: Forwarded, X-Forwarded-*, X-Real-IP. They say who the client is
	// and are to be believed from trusted peers only.
	Forwarded bool

	id nameID
}

// IsCookie reports whether f is a Cookie field of a request. Several are to be
// sent as one, joined with "; " (RFC 6265 5.4; gunicorn joins them with ",").
func (f *Field) IsCookie() bool { return f.id == idCookie }

// Fields are the field lines of a head in the order received.
type Fields []Field

// Get returns the value of the first field of that name, given in lower case.
func (f Fields) Get(lower string) ([]byte, bool) {
	for i := range f {
		if lowerIs(f[i].Name, lower) {
			return f[i].Value, true
		}
	}
	return nil, false
}

// AppendValues appends the values of every field of that name, given in lower
// case, and reports whether there was one. They are joined with ", ", those of
// cookie with "; " (nginx since 1.23: $http_NAME).
func (f Fields) AppendValues(dst []byte, lower string) (out []byte, found bool) {
	separator := ", "
	if lower == "cookie" {
		separator = "; "
	}
	for i := range f {
		if !lowerIs(f[i].Name, lower) {
			continue
		}
		if found {
			dst = append(dst, separator...)
		}
		dst = append(dst, f[i].Value...)
		found = true
	}
	return dst, found
}

// AppendForwardable appends the field lines that go on: those without Drop, and
// those with Forwarded only if trusted. Cookie fields become one, in the place of
// the first.
func (f Fields) AppendForwardable(dst []byte, trusted bool) []byte {
	cookies := false
	for i := range f {
		field := &f[i]
		switch {
		case field.Drop || field.Forwarded && !trusted:
		case !field.IsCookie():
			dst = AppendField(dst, field.Name, field.Value)
		case !cookies:
			cookies = true
			dst = f.appendCookie(dst, field.Name)
		}
	}
	return dst
}

func (f Fields) appendCookie(dst, name []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	dst, _ = f.AppendValues(dst, "cookie")
	return append(dst, "\r\n"...)
}
