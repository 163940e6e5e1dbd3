package http1

// isNormal reports whether a path that begins with a slash is its own normal
// form. It may err on the side of no.
func isNormal(path []byte) bool {
	slash := false
	for _, c := range path {
		if c == '%' || slash && (c == '/' || c == '.') {
			return false
		}
		slash = c == '/'
	}
	return true
}

// AppendNormalPath appends the form of a path that is matched and served: escapes
// decoded once, then slashes merged and dot segments resolved, whether they were
// escaped or not (nginx: $uri with merge_slashes on). "..;" is no dot segment.
//
// Errors: no slash at the beginning, an escape without two hex digits, NUL, a
// path that leads above the root. Each is an *Error with status 400.
func AppendNormalPath(dst, raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != '/' {
		return dst, errTarget
	}
	root := len(dst)
	for i := 0; i < len(raw); {
		c, n, err := decodeByte(raw[i:])
		if err != nil {
			return dst[:root], err
		}
		i += n
		if c != '/' {
			dst = append(dst, c)
			continue
		}
		if dst, err = appendSlash(dst, root); err != nil {
			return dst[:root], err
		}
	}
	normal, err := trimLastSegment(dst, root)
	if err != nil {
		return dst[:root], err
	}
	return normal, nil
}

// decodeByte returns the first byte of raw or the byte that its escape stands for.
func decodeByte(raw []byte) (c byte, n int, err error) {
	switch raw[0] {
	case 0:
		return 0, 0, errNUL
	case '%':
	default:
		return raw[0], 1, nil
	}
	if len(raw) < 3 || class[raw[1]]&class[raw[2]]&isHex == 0 {
		return 0, 0, errEscape
	}
	c = hexValue(raw[1])<<4 | hexValue(raw[2])
	if c == 0 {
		return 0, 0, errNUL
	}
	return c, 3, nil
}

// appendSlash ends the segment that dst ends with.
func appendSlash(dst []byte, root int) ([]byte, error) {
	if len(dst) == root {
		return append(dst, '/'), nil
	}
	dst, err := trimLastSegment(dst, root)
	if err != nil || dst[len(dst)-1] == '/' {
		return dst, err
	}
	return append(dst, '/'), nil
}

// trimLastSegment takes "." off the end of dst, and ".." with the segment before.
// dst[root] is a slash.
func trimLastSegment(dst []byte, root int) ([]byte, error) {
	switch path := dst[root:]; {
	case endsWith(path, "/."):
		return dst[:len(dst)-1], nil
	case !endsWith(path, "/.."):
		return dst, nil
	case len(path) == len("/.."):
		return dst, errAboveRoot
	}
	end := len(dst) - len("/..")
	for dst[end-1] != '/' {
		end--
	}
	return dst[:end], nil
}

func endsWith(b []byte, s string) bool {
	return len(b) >= len(s) && string(b[len(b)-len(s):]) == s
}

const upperHex = "0123456789ABCDEF"

// AppendEscapedPath appends a normal path as it may stand in a target, escaping
// what nginx escapes when proxy_pass replaces the URI: CTL, blank, DEL, bytes
// from 0x80 and any of "#%<>?\^`{|}.
func AppendEscapedPath(dst, path []byte) []byte {
	for _, c := range path {
		if c > ' ' && c < 0x7f && !isOneOf(c, "\"#%<>?\\^`{|}") {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
	}
	return dst
}
