package accesslog

import (
	"strings"
	"time"
)

// fields is a Header of name, value pairs.
type fields []string

func (f fields) AppendValues(dst []byte, name string) (out []byte, found bool) {
	separator := ", "
	if name == "cookie" {
		separator = "; "
	}
	for i := 0; i < len(f); i += 2 {
		if !strings.EqualFold(f[i], name) {
			continue
		}
		if found {
			dst = append(dst, separator...)
		}
		dst, found = append(dst, f[i+1]...), true
	}
	return dst, found
}

type socket TCPInfo

func (s socket) TCPInfo() (TCPInfo, bool) { return TCPInfo(s), true }

var zone = time.FixedZone("", 2*60*60)

// usualEntry is a request that an app answered.
func usualEntry() *Entry {
	start := time.Date(2026, 3, 9, 14, 5, 6, 123_900_000, zone)
	return &Entry{
		Conn: &Conn{
			Serial: 42, RemoteAddr: "192.0.2.1", RemotePort: "50000",
			ServerAddr: "127.0.0.1", ServerPort: "8080", Scheme: "http",
			Start: start.Add(-10 * time.Second), Socket: socket{40, 20, 10, 65483},
		},
		ServerName: "example.com",
		Line:       []byte("GET /a%20b/?Q=1&q=2&x HTTP/1.1"),
		Method:     []byte("GET"),
		Target:     []byte("/a%20b/?Q=1&q=2&x"),
		Path:       []byte("/a b/"),
		Query:      []byte("Q=1&q=2&x"),
		HasQuery:   true,
		Protocol:   "HTTP/1.1",
		Host:       []byte("www.example.com"),
		Request: fields{
			"Host", "www.example.com:8080", "User-Agent", "curl/7.88.1", "Referer", "",
			"Cookie", "b=1; A = v w; a=2", "Cookie", "c=3", "X-Two", "1", "X-Two", "2",
			"Content-Length", "0", "Content-Type", "a/b",
		},
		Body:               []byte("a=b"),
		Root:               "/srv/site",
		Response:           fields{"Content-Type", "text/html"},
		RequestID:          [16]byte{0: 0xab, 15: 0x01},
		HasID:              true,
		ConnectionRequests: 3,
		Start:              start,
		End:                start.Add(1234_900 * time.Microsecond),
		Status:             200,
		RequestLength:      77,
		BytesSent:          700,
		HeaderSent:         188,
		Completed:          true,
		Limited:            LimitDelayed,
		GzipIn:             3140,
		GzipOut:            1000,
		Upstream: []Try{
			{Addr: "unix:none.sock", Status: 502, Connect: -1, Header: -1},
			{Addr: "10.0.0.5:8000", Connect: 0, Header: 3900 * time.Microsecond, Response: 4 * time.Millisecond, Length: 2, BytesReceived: 90, BytesSent: 80},
		},
		UpstreamHeader: fields{"Set-Cookie", "x=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT", "Set-Cookie", "S = two;Path=/", "Server", "gunicorn"},
		ProxyHost:      "web:8000",
		ForwardedFor:   []byte("198.51.100.7, 192.0.2.1"),
	}
}

// rawEntry is a connection that sent something which is no request.
func rawEntry() *Entry {
	e := usualEntry()
	return &Entry{
		Conn: e.Conn, ServerName: "example.com", Line: []byte("\x16\x03\x01"),
		Start: e.Start, End: e.Start, Status: 400, BytesSent: 150, HeaderSent: 100,
	}
}
