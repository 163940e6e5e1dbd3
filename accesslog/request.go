package accesslog

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func constant(text string) variable {
	return func(dst []byte, _ *Entry) ([]byte, bool) { return append(dst, text...), true }
}

func conn(get func(*Conn) string) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		if e.Conn == nil {
			return dst, false
		}
		return append(dst, get(e.Conn)...), true
	}
}

func number(get func(*Entry) int64) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) { return strconv.AppendInt(dst, get(e), 10), true }
}

func flag(get func(*Entry) bool, yes, no string) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		if get(e) {
			return append(dst, yes...), true
		}
		return append(dst, no...), true
	}
}

// bytesOf prints a part of the request line. One that did not come is nil and
// missing; one that came empty is empty.
func bytesOf(get func(*Entry) []byte) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		b := get(e)
		return append(dst, b...), b != nil
	}
}

// elapsed prints the time from a start to now.
func elapsed(start func(*Entry) time.Time) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		return appendSeconds(dst, e.now().Sub(start(e))), true
	}
}

// connStart is the start of the connection; without one, nothing has elapsed.
func (e *Entry) connStart() time.Time {
	if e.Conn == nil {
		return e.now()
	}
	return e.Conn.Start
}

func httpsFlag(c *Conn) string {
	if c.Scheme == "https" {
		return "on"
	}
	return ""
}

func connection(dst []byte, e *Entry) ([]byte, bool) {
	if e.Conn == nil {
		return dst, false
	}
	return strconv.AppendUint(dst, e.Conn.Serial, 10), true
}

func msec(dst []byte, e *Entry) ([]byte, bool) {
	return appendMillis(dst, max(e.now().UnixMilli(), 0)), true
}

// status has three digits, "000" when nothing was sent.
func status(dst []byte, e *Entry) ([]byte, bool) {
	if e.Status > 999 {
		return strconv.AppendInt(dst, int64(e.Status), 10), true
	}
	n := int64(max(e.Status, 0))
	return append(dst, digit(n/100), digit(n/10), digit(n)), true
}

func limitStatus(dst []byte, e *Entry) ([]byte, bool) {
	return append(dst, e.Limited.String()...), e.Limited != 0
}

// args is missing after a "?" that nothing follows, as without one (nginx 1.22).
func args(dst []byte, e *Entry) ([]byte, bool) {
	return append(dst, e.Query...), len(e.Query) > 0
}

// isArgs is "?" only when something follows it.
func isArgs(dst []byte, e *Entry) ([]byte, bool) {
	if len(e.Query) > 0 {
		dst = append(dst, '?')
	}
	return dst, true
}

// serverProtocol is empty and not missing after a 505: the version was there,
// but nginx keeps none that it does not speak.
func serverProtocol(dst []byte, e *Entry) ([]byte, bool) {
	return append(dst, e.Protocol...), e.Protocol != "" || e.NoVersion || e.Status == http.StatusHTTPVersionNotSupported
}

// contentLength is the field as it came, else what a body without one had.
func contentLength(dst []byte, e *Entry) ([]byte, bool) {
	out, found := appendField(dst, e.Request, "content-length")
	if !found && (e.Chunked || e.BodyRead > 0) {
		return strconv.AppendInt(dst, e.BodyRead, 10), true
	}
	return out, found
}

// targetAuthority is that of a request line in absolute-form.
func targetAuthority(line []byte) []byte {
	_, rest, ok := bytes.Cut(line, []byte("://"))
	if !ok || bytes.IndexByte(line, '/') < bytes.IndexByte(line, ':') {
		return nil
	}
	if end := bytes.IndexAny(rest, "/? "); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// http2 tells how HTTP/2 was agreed on: "h2" over TLS, "h2c" without. Any other
// protocol is empty, not missing.
func http2(dst []byte, e *Entry) ([]byte, bool) {
	switch {
	case e.Protocol != "HTTP/2.0":
	case e.Conn != nil && e.Conn.Scheme == "https":
		dst = append(dst, "h2"...)
	default:
		dst = append(dst, "h2c"...)
	}
	return dst, true
}

func http3(dst []byte, e *Entry) ([]byte, bool) {
	if e.Protocol == "HTTP/3.0" {
		dst = append(dst, "h3"...)
	}
	return dst, true
}

// requestPort is the port that the client asked for, in the request line or in Host;
// empty when it named none (nginx 1.29.3).
func requestPort(dst []byte, e *Entry) ([]byte, bool) {
	start := len(dst)
	if named := targetAuthority(e.Line); named != nil {
		dst = append(dst, named...)
	} else {
		dst, _ = appendField(dst, e.Request, "host")
	}
	authority := dst[start:]
	i := bytes.LastIndexByte(authority, ':')
	if i < bytes.LastIndexByte(authority, ']') || i < 0 {
		return dst[:start], true
	}
	return append(dst[:start], authority[i+1:]...), true
}

func isRequestPort(dst []byte, e *Entry) ([]byte, bool) {
	start := len(dst)
	if out, _ := requestPort(dst, e); len(out) > start {
		return append(out[:start], ':'), true
	}
	return dst, true
}

func host(dst []byte, e *Entry) ([]byte, bool) {
	if len(e.Host) == 0 {
		return append(dst, e.ServerName...), true
	}
	return append(dst, e.Host...), true
}

// requestID makes the id when it is first asked for, as nginx does: a
// configuration that never names it does not pay for it.
func requestID(dst []byte, e *Entry) ([]byte, bool) {
	if !e.HasID {
		rand.Read(e.RequestID[:]) // never fails (crypto/rand)
		e.HasID = true
	}
	return hex.AppendEncode(dst, e.RequestID[:]), true
}

// hostname is in lower case, as nginx has it.
func hostname() variable {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	return constant(strings.ToLower(name))
}

// gzipRatio is the quotient of the bytes before and after, to two places.
func gzipRatio(dst []byte, e *Entry) ([]byte, bool) {
	if e.GzipOut == 0 {
		return dst, false
	}
	hundredths := (e.GzipIn*1000/e.GzipOut + 5) / 10
	dst = strconv.AppendInt(dst, hundredths/100, 10)
	return append(dst, '.', digit(hundredths/10%10), digit(hundredths%10)), true
}
