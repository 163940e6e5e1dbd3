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

	asWritten bool // the line was "name: value" CRLF, as AppendField writes it
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
	for i := 0; i < len(f); i++ {
		field := &f[i]
		switch {
		case field.Drop || field.Forwarded && !trusted:
		case field.IsCookie() && cookies:
		case field.IsCookie() && f[i+1:].haveCookie():
			cookies = true
			dst = f.appendCookie(dst, field.Name)
		default:
			lines, last := f.run(i, trusted)
			if lines == nil {
				dst = AppendField(dst, field.Name, field.Value)
			}
			dst = append(dst, lines...)
			i = last
		}
	}
	return dst
}

// run returns the lines from field i on that go on just as they were received, one
// after the other, and the last field of them; nil: not even that of i.
func (f Fields) run(i int, trusted bool) (lines []byte, last int) {
	if !f[i].asWritten {
		return nil, i
	}
	n, last := f[i].length(), i
	for j := i + 1; j < len(f); j++ {
		next := &f[j]
		if !next.asWritten || next.Drop || next.IsCookie() || next.Forwarded && !trusted {
			break
		}
		if n == cap(f[i].Name) || &f[i].Name[:n+1][n] != &next.Name[0] {
			break // not in one buffer, or not behind each other
		}
		n, last = n+next.length(), j
	}
	return f[i].Name[:n], last
}

// length is that of the line of a field that is asWritten.
func (f *Field) length() int { return len(f.Name) + len(": ") + len(f.Value) + len("\r\n") }

func (f Fields) haveCookie() bool {
	for i := range f {
		if f[i].IsCookie() {
			return true
		}
	}
	return false
}

func (f Fields) appendCookie(dst, name []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	dst, _ = f.AppendValues(dst, "cookie")
	return append(dst, "\r\n"...)
}
