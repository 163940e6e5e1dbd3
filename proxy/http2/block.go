package http2

import (
	"strings"

	"golang.org/x/net/http2/hpack"

	"paddock/proxy/http1"
)

// block is a field block while it is decoded. What may stand in a field is asked
// of http1, so that no value can be one thing here and another one there; what only
// HTTP/2 knows is checked here.
type block struct {
	maxSize, maxFields int

	trailers bool
	fields   []byte // field lines of HTTP/1.1, Host left out
	size     int    // decoded bytes, as in HTTP/1.1
	count    int
	seen     pseudo
	regular  bool // a field that is no pseudo field was seen
	err      error

	method, scheme, path, authority string

	host    string
	hosts   int
	length  int64 // content-length; -1: none
	lengths int
}

// pseudo is a set of pseudo fields.
type pseudo uint8

const (
	hasMethod pseudo = 1 << iota
	hasScheme
	hasPath
	hasAuthority
)

// reset makes b ready for the next block.
func (b *block) reset(trailers bool) {
	*b = block{maxSize: b.maxSize, maxFields: b.maxFields, trailers: trailers, fields: b.fields[:0], length: -1}
}

// What an over-long head is refused with, as in HTTP/1.1: these are answered.
var (
	errHeadTooLong = &http1.Error{Status: 400, Reason: "head too long", Rule: http1.RuleHeadTooLarge}
	errTooMany     = &http1.Error{Status: 400, Reason: "too many fields", Rule: "RFC 9110 5.4"}
)

// take takes one field. After the first error nothing is kept, but the decoder
// goes on: its table is the connection's.
func (b *block) take(f hpack.HeaderField) {
	if b.err != nil {
		return
	}
	b.size += len(f.Name) + len(f.Value) + len(": \r\n")
	b.count++
	switch {
	case b.size > b.maxSize: // decoded: a reference of one byte may stand for 4 KiB
		b.err = errHeadTooLong
	case b.count > b.maxFields:
		b.err = errTooMany
	case strings.HasPrefix(f.Name, ":"):
		b.err = b.takePseudo(f.Name, f.Value)
	default:
		b.regular = true
		b.err = b.takeField(f.Name, f.Value)
	}
}

func (b *block) takePseudo(name, value string) error {
	if b.trailers || b.regular {
		return errPseudoOrder
	}
	b.count-- // these are the request line, and Host
	var which pseudo
	switch name {
	case ":method":
		which, b.method = hasMethod, value
	case ":scheme":
		which, b.scheme = hasScheme, value
	case ":path":
		which, b.path = hasPath, value
	case ":authority":
		which, b.authority = hasAuthority, value
	default:
		return errPseudo
	}
	if b.seen&which != 0 {
		return errPseudoTwice
	}
	b.seen |= which
	return nil
}

func (b *block) takeField(name, value string) error {
	if !isName(name) {
		return errName
	}
	if !isValue(value) {
		return errValue
	}
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return errConnection
	case "te":
		if value != "trailers" {
			return errConnection
		}
	case "host":
		b.host = value
		if b.hosts++; b.hosts > 1 {
			return errHosts
		}
		return nil
	case "content-length":
		n, ok := parseLength(value)
		if b.lengths++; !ok || b.lengths > 1 {
			return errLength
		}
		b.length = n
	}
	if !b.trailers { // these are checked and dropped
		b.fields = http1.AppendField(b.fields, name, value)
	}
	return nil
}

// isName reports whether s may be a field name: a token without upper case (RFC
// 9113 8.2.1).
func isName(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return false
		}
	}
	return http1.IsToken(s)
}

// isValue reports whether s may be a field value. Blanks around it are malformed
// here (RFC 9113 8.2.1).
func isValue(s string) bool {
	if s == "" {
		return true
	}
	return !isBlank(s[0]) && !isBlank(s[len(s)-1]) && http1.IsValue(s)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// parseLength reads 1*DIGIT that fits an int64 (RFC 9110 8.6).
func parseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > 19 {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n < 0 {
			return 0, false
		}
	}
	return n, true
}

// finish checks a request whose block is complete. ended: no body follows.
func (b *block) finish(ended bool) error {
	if _, long := b.err.(*http1.Error); b.err != nil && !long {
		return b.err
	}
	if err := b.checkPseudo(); err != nil {
		return err
	}
	if b.err == nil && ended && b.length > 0 { // RFC 9113 8.1.1, also on HEADERS (security rule 16)
		return errLengthDiffer
	}
	return b.err
}

func (b *block) checkPseudo() error {
	connect := b.method == "CONNECT"
	switch want := hasMethod | hasScheme | hasPath; {
	case connect && b.seen != hasMethod|hasAuthority: // RFC 9113 8.5; extended CONNECT is not offered
		return errNoPseudo
	case !connect && b.seen&want != want:
		return errNoPseudo
	case !http1.IsToken(b.method):
		return errMethod
	case connect:
	case !strings.EqualFold(b.scheme, "http") && !strings.EqualFold(b.scheme, "https"):
		return errScheme
	case !isPath(b.path):
		return errPath
	}
	if b.seen&hasAuthority != 0 && !isAuthority(b.authority) {
		return errAuthority
	}
	if b.hosts > 0 && b.seen&hasAuthority != 0 && !strings.EqualFold(b.host, b.authority) {
		return errHosts
	}
	return nil
}

// isPath reports whether s is a target in origin-form, or the asterisk.
func isPath(s string) bool {
	return s == "*" || s != "" && s[0] == '/' && http1.IsTarget(s)
}

func isAuthority(s string) bool {
	_, _, ok := http1.ParseHost([]byte(s))
	return ok
}

// appendHead appends the request as a head of HTTP/1.1. finish has returned nil or
// an *http1.Error; with the latter the fields are left out.
func (b *block) appendHead(dst []byte) []byte {
	target := b.path
	if b.method == "CONNECT" {
		target = b.authority
	}
	dst = http1.AppendRequestLine(dst, b.method, target)
	switch {
	case b.seen&hasAuthority != 0:
		dst = http1.AppendField(dst, "host", b.authority)
	case b.hosts > 0:
		dst = http1.AppendField(dst, "host", b.host)
	}
	if b.err == nil {
		dst = append(dst, b.fields...)
	}
	return http1.AppendEnd(dst)
}
