package http1

import "encoding/binary"

// What a byte may be part of, one bit each.
const (
	isToken  = 1 << iota // RFC 9110 5.6.2: tchar
	isPlain              // of names that every app server reads alike: letters, digits, '-'
	isMethod             // nginx: upper-case letters, '-' and '_'
	isTarget             // of a request target: no CTL, blank, DEL, '#' or '\'
	isHost               // of a host name: RFC 3986 unreserved
	isText               // of a field value or a reason: HTAB, SP, visible, obs-text
	isHex
	isDigit
)

// class holds the bits of every byte.
var class = makeClass()

func makeClass() (t [256]uint8) {
	for b := range 256 {
		c := byte(b)
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		set := func(bit uint8, is bool) {
			if is {
				t[b] |= bit
			}
		}
		set(isToken, letter || digit || isOneOf(c, "!#$%&'*+-.^_`|~"))
		set(isPlain, letter || digit || c == '-')
		set(isMethod, c >= 'A' && c <= 'Z' || c == '-' || c == '_')
		set(isTarget, c > ' ' && c != 0x7f && c != '#' && c != '\\')
		set(isHost, letter || digit || isOneOf(c, "-._~"))
		set(isText, c >= ' ' && c != 0x7f || c == '\t')
		set(isHex, digit || c|0x20 >= 'a' && c|0x20 <= 'f')
		set(isDigit, digit)
	}
	return t
}

func isOneOf(c byte, set string) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}

// hexValue returns the value of a byte that is isHex.
func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// lowerIs reports whether b is word without regard to case. b holds no CTL and
// word only letters, digits, '-', ':' and '/': of those, only letters have a twin
// that differs by the case bit. (Of two tokens, only '^' and '~' are confused.)
func lowerIs[T string | []byte](b []byte, word T) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		if b[i]|0x20 != word[i]|0x20 {
			return false
		}
	}
	return true
}

// firstBad returns the index of the first byte that may not stand in a field
// value (RFC 9110 5.5: CTL other than HTAB), or -1. Eight bytes a step; the last
// step may look at some of them again.
func firstBad[T string | []byte](v T) int {
	if len(v) < 8 {
		return firstBadFrom(v, 0)
	}
	for i := 0; i+8 < len(v); i += 8 {
		if mayBeBad(eight(v, i)) {
			if bad := firstBadFrom(v[:i+8], i); bad >= 0 {
				return bad
			}
		}
	}
	if last := len(v) - 8; mayBeBad(eight(v, last)) {
		return firstBadFrom(v, last)
	}
	return -1
}

func firstBadFrom[T string | []byte](v T, i int) int {
	for ; i < len(v); i++ {
		if class[v[i]]&isText == 0 {
			return i
		}
	}
	return -1
}

func eight[T string | []byte](v T, i int) uint64 {
	var b [8]byte
	copy(b[:], v[i:i+8])
	return binary.LittleEndian.Uint64(b[:])
}

// mayBeBad reports whether one of the eight bytes is below 0x20 or is 0x7f. It
// may err on the side of yes.
func mayBeBad(x uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	del := x ^ ones*0x7f
	return ((x-ones*0x20)&^x|(del-ones)&^del)&high != 0
}

// trimOWS returns v without the blanks and tabs around it (RFC 9110 5.6.3).
func trimOWS(v []byte) []byte {
	for len(v) > 0 && isBlank(v[0]) {
		v = v[1:]
	}
	for len(v) > 0 && isBlank(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	return v
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
