package accesslog

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// fieldName turns the end of a variable's name into a field name: nginx writes
// "-" as "_".
func fieldName(name string) string { return strings.ReplaceAll(name, "_", "-") }

func requestHeader(name string) variable {
	field := fieldName(name)
	return func(dst []byte, e *Entry) ([]byte, bool) { return appendField(dst, e.Request, field) }
}

func sentHeader(name string) variable {
	field := fieldName(name)
	if field == "connection" {
		return sentConnection
	}
	return func(dst []byte, e *Entry) ([]byte, bool) { return appendField(dst, e.Response, field) }
}

// sentConnection is what nginx has when it writes the line: the connection is done
// with this request by then, whatever its client was told.
func sentConnection(dst []byte, e *Entry) ([]byte, bool) {
	if e.Status == http.StatusSwitchingProtocols {
		return append(dst, "upgrade"...), true
	}
	return append(dst, "close"...), true
}

// upstreamHeader is a field of the app's answer. Where Server or Date is missing,
// nginx adds an empty one.
func upstreamHeader(name string) variable {
	field := fieldName(name)
	always := field == "server" || field == "date"
	return func(dst []byte, e *Entry) ([]byte, bool) {
		out, found := appendField(dst, e.UpstreamHeader, field)
		return out, found || always && e.UpstreamHeader != nil
	}
}

func appendField(dst []byte, h Header, field string) ([]byte, bool) {
	if h == nil {
		return dst, false
	}
	return h.AppendValues(dst, field)
}

func cookie(name string) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		return appendPart(dst, e.Request, "cookie", func(fields []byte) ([]byte, bool) {
			return findCookie(fields, name)
		})
	}
}

func upstreamCookie(name string) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		return appendPart(dst, e.UpstreamHeader, "set-cookie", func(fields []byte) ([]byte, bool) {
			return findSetCookie(fields, name)
		})
	}
}

// remoteUser is the user of Basic authentication, whether or not it was asked for.
func remoteUser(dst []byte, e *Entry) ([]byte, bool) {
	return appendPart(dst, e.Request, "authorization", basicUser)
}

// appendPart appends what find finds in a field. The field is put at the end of
// dst and the part moved over it, so that no second buffer is needed.
func appendPart(dst []byte, h Header, field string, find func([]byte) ([]byte, bool)) ([]byte, bool) {
	start := len(dst)
	out, found := appendField(dst, h, field)
	if !found {
		return dst, false
	}
	part, found := find(out[start:])
	return append(out[:start], part...), found
}

// findCookie follows ngx_http_parse_multi_header_lines: the first of that name in
// any case, up to the next ";"; "," ends a cookie that is skipped.
func findCookie(fields []byte, name string) ([]byte, bool) {
	for rest := fields; len(rest) > 0; {
		if value, ok := cookieValue(rest, name); ok {
			return value, true
		}
		end := bytes.IndexAny(rest, ";,")
		if end < 0 {
			break
		}
		rest = bytes.TrimLeft(rest[end+1:], " ")
	}
	return nil, false
}

// findSetCookie looks at the start of each Set-Cookie field. The fields come
// joined by ", ", which a date holds too; no date goes on with "name=".
func findSetCookie(fields []byte, name string) ([]byte, bool) {
	for rest := fields; len(rest) > 0; {
		if value, ok := cookieValue(rest, name); ok {
			return value, true
		}
		end := bytes.Index(rest, []byte(", "))
		if end < 0 {
			break
		}
		rest = rest[end+2:]
	}
	return nil, false
}

// cookieValue returns the value when text begins with "name=value", spaces
// around "=" allowed.
func cookieValue(text []byte, name string) ([]byte, bool) {
	if len(text) < len(name) || !equalFold(text[:len(name)], name) {
		return nil, false
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(text[len(name):], " "), []byte("="))
	if !ok {
		return nil, false
	}
	value, _, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(";"))
	return value, true
}

// basicUser follows ngx_http_auth_basic_user: base64 with or without padding,
// and a user name that is not empty before a ":".
func basicUser(field []byte) ([]byte, bool) {
	const scheme = "basic "
	if len(field) < len(scheme) || !equalFold(field[:len(scheme)], scheme) {
		return nil, false
	}
	encoded, _, _ := bytes.Cut(bytes.TrimLeft(field[len(scheme):], " "), []byte("="))
	decoded := slices.Grow(field, base64.RawStdEncoding.DecodedLen(len(encoded)))
	plain, err := base64.RawStdEncoding.AppendDecode(decoded[len(field):], encoded)
	if err != nil {
		return nil, false
	}
	user, _, found := bytes.Cut(plain, []byte(":"))
	return user, found && len(user) > 0
}

// arg follows ngx_http_arg: the first of that name in any case, raw.
func arg(name string) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		for rest := e.Query; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte("&"))
			key, value, ok := bytes.Cut(pair, []byte("="))
			if ok && equalFold(key, name) {
				return append(dst, value...), true
			}
		}
		return dst, false
	}
}

// equalFold compares with a name in lower case, ASCII letters in any case:
// Unicode's other folds, such as the Kelvin sign's, are not nginx's.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
