package proxy

import (
	"bytes"
	"sync/atomic"
	"time"

	"paddock/proxy/http1"
)

const serverName = "paddock"

// buildHead writes the head of a proxied answer: the app's fields as they came,
// but for what is between the app and us, and what nginx replaces too.
func (x *exchange) buildHead(kind http1.Body, length int64) {
	a := &x.try.answer
	x.Status = x.finalStatus(a.Status)
	x.add(nil)
	compress := x.wouldCompress(kind, length)
	x.chooseFraming(kind, compress)
	if x.Status == a.Status {
		x.out = http1.AppendStatusLine(x.out[:0], a.Status, a.Reason)
	} else {
		x.out = http1.AppendStatusLine(x.out[:0], x.Status, statusText(x.Status))
	}
	x.appendOwnFields()
	x.appendAppFields(compress)
	switch {
	case compress && !x.chunked:
	case kind == http1.Length && !compress:
		x.out = http1.AppendIntField(x.out, "Content-Length", length)
	case x.chunked:
		x.out = http1.AppendField(x.out, "Transfer-Encoding", "chunked")
	case kind == http1.None && a.ContentLength >= 0 && a.Status != 204: // of a HEAD or a 304
		x.out = http1.AppendIntField(x.out, "Content-Length", a.ContentLength)
	}
	x.appendConnection()
	x.appendVary()
	x.out = append(x.appendKept(x.out), x.added.lines...)
	if compress {
		x.out = http1.AppendField(x.out, "Content-Encoding", "gzip")
	}
	x.out = http1.AppendEnd(x.out)
}

func (x *exchange) appendOwnFields() {
	x.out = append(x.out, x.conn.proxy.date.fields(x.clock())...)
}

// appendConnection says what becomes of the connection. nginx says keep-alive too, which HTTP/1.0 needs.
func (x *exchange) appendConnection() {
	if x.conn.stream != nil {
		return
	}
	if x.upgraded {
		x.out = appendUpgrade(x.out)
		return
	}
	if x.conn.listener.retired.Load() { // also since the request began
		x.keepAlive = false
	}
	if x.keepAlive {
		x.out = append(x.out, "Connection: keep-alive\r\n"...)
	} else {
		x.out = http1.AppendField(x.out, "Connection", "close")
	}
}

// isOurs reports whether we write the field anew, or it was meant for us alone.
func isOurs(name []byte) bool {
	switch len(name) {
	case len("Date"):
		return bytes.EqualFold(name, dateName)
	case len("X-Pad"):
		return bytes.EqualFold(name, xPad)
	case len("Server"):
		return bytes.EqualFold(name, serverField)
	case len("Content-Length"):
		if bytes.EqualFold(name, contentLength) {
			return true
		}
	}
	return len(name) > len(xAccel) && bytes.EqualFold(name[:len(xAccel)], xAccel)
}

var (
	dateName      = []byte("date")
	serverField   = []byte("server")
	contentLength = []byte("content-length")
	xPad          = []byte("x-pad")
	xAccel        = []byte("x-accel-")
)

// dateClock holds the fields that each answer of the current second has.
type dateClock struct{ now atomic.Pointer[datedText] }

type datedText struct {
	second int64
	text   string
}

const dateLayout = "Mon, 02 Jan 2006 15:04:05 GMT" // RFC 9110 5.6.7

func (d *dateClock) fields(now time.Time) string {
	t := d.now.Load()
	second := now.Unix()
	if t == nil || second != t.second && second != t.second-1 { // two loops may differ by a moment
		date := now.UTC().Format(dateLayout)
		t = &datedText{second, string(http1.AppendField(http1.AppendField(nil, "Server", serverName), "Date", date))}
		d.now.Store(t)
	}
	return t.text
}

// sentHead is the head that the client got, for $sent_http_NAME.
type sentHead struct{ head []byte }

// AppendValues implements accesslog.Header. nginx has no $sent_http_server and no
// $sent_http_date: it writes these behind its list of fields.
func (s *sentHead) AppendValues(dst []byte, name string) (out []byte, found bool) {
	if name == "server" || name == "date" {
		return dst, false
	}
	_, rest, _ := bytes.Cut(s.head, crlf)
	for {
		var line []byte
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			return dst, found
		}
		key, val, _ := bytes.Cut(line, fieldColon)
		if len(key) != len(name) || !equalFold(key, name) {
			continue
		}
		if found {
			dst = append(dst, ", "...)
		}
		dst, found = append(dst, val...), true
	}
}

var (
	crlf       = []byte("\r\n")
	fieldColon = []byte(": ")
)

func equalFold(key []byte, lower string) bool {
	for i := range key {
		c := key[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
