package http2

import (
	"bytes"

	"golang.org/x/net/http2/hpack"
)

// appendAnswer encodes the head of an HTTP/1.1 answer that we wrote ourselves, for
// HTTP/2: names in lower case, without what belongs to a connection (RFC 9113
// 8.2.2). Nothing is entered into the dynamic table, as in nginx.
func appendAnswer(dst, head []byte) []byte {
	line, rest, _ := bytes.Cut(head, crlf)
	if len(line) < len("HTTP/1.1 200") {
		return dst
	}
	dst = appendStatus(dst, line[len("HTTP/1.1 "):len("HTTP/1.1 200")])
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, crlf)
		name, value, found := bytes.Cut(line, colon)
		if found {
			dst = appendAnswerField(dst, name, value)
		}
	}
	return dst
}

var (
	crlf  = []byte("\r\n")
	colon = []byte(": ")
)

// Indexes of the static table (RFC 7541 A).
const (
	index200    = 8
	indexStatus = 8
)

// appendStatus appends :status, of three digits.
func appendStatus(dst, status []byte) []byte {
	for i, known := range [...]string{"200", "204", "206", "304", "400", "404", "500"} {
		if string(status) == known {
			return append(dst, 0x80|byte(index200+i))
		}
	}
	return append(append(dst, indexStatus, byte(len(status))), status...)
}

func appendAnswerField(dst, name, value []byte) []byte {
	if len(name) == 0 || isConnectionField(name) {
		return dst
	}
	if i := staticIndex(name); i > 0 {
		dst = appendInt(dst, 0, 4, i)
	} else {
		dst = append(dst, 0)
		dst = appendInt(dst, 0, 7, len(name))
		for _, c := range name {
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			dst = append(dst, c)
		}
	}
	dst = appendInt(dst, 0, 7, len(value))
	return append(dst, value...)
}

func isConnectionField(name []byte) bool {
	switch len(name) {
	case len("upgrade"):
		return isName1(name, "upgrade")
	case len("connection"): // and keep-alive
		return isName1(name, "connection") || isName1(name, "keep-alive")
	case len("transfer-encoding"):
		return isName1(name, "transfer-encoding")
	case len("proxy-connection"):
		return isName1(name, "proxy-connection")
	}
	return false
}

func isName1(name []byte, lower string) bool {
	for i := range name {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// staticIndex returns the place of the names that most answers have, 0 else.
func staticIndex(name []byte) int {
	for _, s := range staticNames {
		if len(s.name) == len(name) && isName1(name, s.name) {
			return s.index
		}
	}
	return 0
}

var staticNames = [...]struct {
	name  string
	index int
}{
	{"server", 54},
	{"date", 33},
	{"content-type", 31},
	{"content-length", 28},
	{"last-modified", 44},
	{"etag", 34},
	{"cache-control", 24},
	{"expires", 36},
	{"vary", 59},
	{"location", 46},
	{"set-cookie", 55},
	{"accept-ranges", 18},
	{"content-encoding", 26},
	{"content-range", 30},
	{"link", 45},
}

// appendInt appends an integer with a prefix of n bits (RFC 7541 5.1); first holds
// the bits in front of it.
func appendInt(dst []byte, first byte, n, v int) []byte {
	limit := 1<<n - 1
	if v < limit {
		return append(dst, first|byte(v))
	}
	dst = append(dst, first|byte(limit))
	for v -= limit; v >= 0x80; v >>= 7 {
		dst = append(dst, byte(v)|0x80)
	}
	return append(dst, byte(v))
}

// noTable is a size update that empties the dynamic table (RFC 7541 4.2).
const noTable = 0x20

func newDecoder(emit func(hpack.HeaderField)) *hpack.Decoder {
	return hpack.NewDecoder(tableSize, emit)
}
