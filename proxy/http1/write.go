package http1

import "strconv"

// AppendRequestLine appends "METHOD target HTTP/1.1" CRLF. method and target
// must be those of a parsed request, or made of bytes that may stand there
// (AppendEscapedPath).
func AppendRequestLine[M, T string | []byte](dst []byte, method M, target T) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends "HTTP/1.1 status reason" CRLF. An empty reason leaves
// its blank, as RFC 9112 4 wants it.
func AppendStatusLine[R string | []byte](dst []byte, status int, reason R) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = AppendInt(dst, int64(status))
	dst = append(dst, ' ')
	dst = appendText(dst, reason)
	return append(dst, "\r\n"...)
}

// AppendField appends "name: value" CRLF. A byte that may not stand in a value
// (CR, LF, NUL, other CTL: from a decoded path, say) is written as a blank, so
// that no value can become a second field (RFC 9110 5.5).
func AppendField[N, V string | []byte](dst []byte, name N, value V) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = appendText(dst, value)
	return append(dst, "\r\n"...)
}

// AppendIntField appends "name: value" CRLF with the value in decimal.
func AppendIntField[N string | []byte](dst []byte, name N, value int64) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = AppendInt(dst, value)
	return append(dst, "\r\n"...)
}

// appendText appends v with a blank for each byte that is not text.
func appendText[T string | []byte](dst []byte, v T) []byte {
	first := firstBad(v)
	from := len(dst)
	dst = append(dst, v...)
	if first < 0 {
		return dst
	}
	for i := from + first; i < len(dst); i++ {
		if class[dst[i]]&isText == 0 {
			dst[i] = ' '
		}
	}
	return dst
}

// IsToken reports whether s may be a field name or a method (RFC 9110 5.6.2).
func IsToken[T string | []byte](s T) bool {
	for i := range len(s) {
		if class[s[i]]&isToken == 0 {
			return false
		}
	}
	return len(s) > 0
}

// IsValue reports whether s may be a field value (RFC 9110 5.5): no CTL other
// than HTAB.
func IsValue[T string | []byte](s T) bool { return firstBad(s) < 0 }

// AppendInt appends n in decimal.
func AppendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// AppendEnd appends the empty line that ends a head.
func AppendEnd(dst []byte) []byte { return append(dst, "\r\n"...) }

// AppendChunkHeader appends the size line of a chunk of size bytes, which must
// not be 0. The data follows, then AppendChunkEnd.
func AppendChunkHeader(dst []byte, size int64) []byte {
	dst = strconv.AppendInt(dst, size, 16)
	return append(dst, "\r\n"...)
}

// AppendChunkEnd appends the line end that follows the data of a chunk.
func AppendChunkEnd(dst []byte) []byte { return append(dst, "\r\n"...) }

// AppendLastChunk appends the last chunk with an empty trailer section. It is
// written only when the whole body has been: a body that breaks off must be seen
// to do so (RFC 9112 8).
func AppendLastChunk(dst []byte) []byte { return append(dst, "0\r\n\r\n"...) }
