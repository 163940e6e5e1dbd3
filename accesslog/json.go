package accesslog

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// OwnJSON is the name of Paddock's own format: one JSON object a line. Its names
// and types are stable and in docs/logs.md. Unlike a log_format with escape=json it
// is valid UTF-8 whatever was sent, numbers are numbers, and what there is none of
// is null. A log_format of the same name takes its place.
const OwnJSON = "json"

// NewOwnJSON returns the format [OwnJSON].
func NewOwnJSON() *Format { return &Format{own: true} }

const jsonTime = "2006-01-02T15:04:05.000Z07:00"

// object writes one JSON object; every member has a comma behind it until end.
type object struct{ dst []byte }

func appendJSON(dst []byte, e *Entry) []byte {
	o := object{append(dst, '{')}
	o.key("time")
	o.dst = append(e.now().AppendFormat(append(o.dst, '"'), jsonTime), `",`...)
	o.connection(e)
	o.request(e)
	o.answer(e)
	o.key("upstream")
	o.dst = append(o.dst, '[')
	for i := range e.Upstream {
		if t := &e.Upstream[i]; t.Addr != "" {
			o.try(t)
		}
	}
	o.end(']')
	o.end('}')
	return o.dst[:len(o.dst)-1]
}

func (o *object) connection(e *Entry) {
	c := e.Conn
	if c == nil {
		c = &Conn{}
	}
	o.text("remote_addr", c.RemoteAddr, c.RemoteAddr != "")
	port, err := strconv.Atoi(c.RemotePort)
	o.number("remote_port", int64(port), err == nil)
	o.value("remote_user", e, remoteUser)
	o.number("connection", int64(c.Serial), true)
	o.number("connection_requests", int64(e.ConnectionRequests), true)
	o.text("scheme", c.Scheme, c.Scheme != "")
}

func (o *object) request(e *Entry) {
	o.value("host", e, host)
	o.text("server_name", e.ServerName, true)
	o.bytes("request", e.Line)
	o.bytes("method", e.Method)
	o.bytes("uri", e.Target)
	o.bytes("path", e.Path)
	o.text("protocol", e.Protocol, e.Protocol != "")
	o.value("referer", e, jsonReferer)
	o.value("user_agent", e, jsonUserAgent)
	o.value("forwarded_for", e, jsonForwardedFor)
	o.value("request_id", e, requestID)
	o.number("request_length", e.RequestLength, true)
}

var (
	jsonReferer      = requestHeader("referer")
	jsonUserAgent    = requestHeader("user_agent")
	jsonForwardedFor = requestHeader("x_forwarded_for")
)

func (o *object) answer(e *Entry) {
	o.number("status", int64(e.Status), true)
	o.number("bytes_sent", e.BytesSent, true)
	o.number("body_bytes_sent", max(e.BytesSent-e.HeaderSent, 0), true)
	o.seconds("request_time", e.now().Sub(e.Start), true)
	o.seconds("queue_time", e.Queued, e.Queued > 0)
	o.key("completed")
	o.dst = append(strconv.AppendBool(o.dst, e.Completed), ',')
	o.text("refused", e.Refused.String(), e.Refused != 0)
}

func (o *object) try(t *Try) {
	o.dst = append(o.dst, '{')
	o.text("addr", t.Addr, true)
	o.number("status", int64(t.Status), t.Status != 0)
	o.seconds("connect_time", t.Connect, t.Connect >= 0)
	o.seconds("header_time", t.Header, t.Header >= 0)
	o.seconds("response_time", t.Response, t.Response >= 0)
	o.number("response_length", t.Length, true)
	o.number("bytes_received", t.BytesReceived, true)
	o.number("bytes_sent", t.BytesSent, true)
	o.text("failed", t.Failed.String(), t.Failed != 0)
	o.end('}')
}

func (o *object) key(name string) {
	o.dst = append(append(append(o.dst, '"'), name...), `":`...)
}

// end closes an object or an array, whose last comma goes.
func (o *object) end(c byte) {
	if n := len(o.dst) - 1; o.dst[n] == ',' {
		o.dst = o.dst[:n]
	}
	o.dst = append(o.dst, c, ',')
}

func (o *object) null() { o.dst = append(o.dst, "null,"...) }

func (o *object) text(name, text string, found bool) {
	o.key(name)
	if !found {
		o.null()
		return
	}
	o.dst = append(appendJSONString(o.dst, text), ',')
}

func (o *object) bytes(name string, text []byte) {
	o.key(name)
	if text == nil {
		o.null()
		return
	}
	o.dst = append(appendJSONString(o.dst, text), ',')
}

// value writes a variable, which is put behind what is there and moved into place.
func (o *object) value(name string, e *Entry, v variable) {
	o.key(name)
	start := len(o.dst)
	raw, found := v(o.dst, e)
	if !found {
		o.dst = raw[:start]
		o.null()
		return
	}
	end := len(raw)
	quoted := appendJSONString(raw, raw[start:end])
	n := copy(quoted[start:], quoted[end:])
	o.dst = append(quoted[:start+n], ',')
}

func (o *object) number(name string, n int64, found bool) {
	o.key(name)
	if !found {
		o.null()
		return
	}
	o.dst = append(strconv.AppendInt(o.dst, n, 10), ',')
}

func (o *object) seconds(name string, d time.Duration, found bool) {
	o.key(name)
	if !found {
		o.null()
		return
	}
	o.dst = append(appendSeconds(o.dst, d), ',')
}

// appendJSONString quotes a text. What is no UTF-8 becomes U+FFFD (RFC 8259 8.1).
func appendJSONString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if s := jsonEscapes[c]; s != "" {
				dst = append(dst, s...)
			} else {
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
		dst = utf8.AppendRune(dst, r)
		i += size
	}
	return append(dst, '"')
}
