package accesslog

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The values are those that nginx logged for the same requests.
func TestVariablesPrintAsNginxDoes(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ text, usual, raw string }{
		{"$remote_addr", "192.0.2.1", "192.0.2.1"},
		{"$remote_port", "50000", "50000"},
		{"$binary_remote_addr", `\xC0\x00\x02\x01`, `\xC0\x00\x02\x01`},
		{"$tcpinfo_rtt", "40", "40"},
		{"$tcpinfo_rttvar", "20", "20"},
		{"$tcpinfo_snd_cwnd", "10", "10"},
		{"$tcpinfo_rcv_space", "65483", "65483"},
		{"$http2", "", ""},
		{"$http3", "", ""},
		{"$request_port", "8080", ""},
		{"$is_request_port", ":", ""},
		{"$request_body", "a=b", "-"},
		{"$document_root", "/srv/site", "-"},
		{"$realpath_root", "-", "-"},
		{"$request_filename", "/srv/site/a b/", "-"},
		{"$realip_remote_addr", "192.0.2.1", "192.0.2.1"},
		{"$realip_remote_port", "50000", "50000"},
		{"$proxy_protocol_addr", "-", "-"},
		{"$proxy_protocol_port", "-", "-"},
		{"$proxy_protocol_server_addr", "-", "-"},
		{"$proxy_protocol_server_port", "-", "-"},
		{"$remote_user", "-", "-"},
		{"$time_local", "09/Mar/2026:14:05:07 +0200", "09/Mar/2026:14:05:06 +0200"},
		{"$time_iso8601", "2026-03-09T14:05:07+02:00", "2026-03-09T14:05:06+02:00"},
		{"$msec", "1773057907.358", "1773057906.123"},
		{"$request_time", "1.234", "0.000"},
		{"$status", "200", "400"},
		{"$bytes_sent", "700", "150"},
		{"$body_bytes_sent", "512", "50"},
		{"$request_length", "77", "0"},
		{"$request", "GET /a%20b/?Q=1&q=2&x HTTP/1.1", `\x16\x03\x01`},
		{"$request_method", "GET", "-"},
		{"$request_uri", "/a%20b/?Q=1&q=2&x", "-"},
		{"$uri", "/a b/", "-"},
		{"$document_uri", "/a b/", "-"},
		{"$args", "Q=1&q=2&x", "-"},
		{"$query_string", "Q=1&q=2&x", "-"},
		{"$is_args", "?", ""},
		{"$arg_q", "1", "-"},
		{"$arg_Q", "1", "-"},
		{"$arg_x", "-", "-"},
		{"$host", "www.example.com", "example.com"},
		{"$http_host", "www.example.com:8080", "-"},
		{"$http_user_agent", "curl/7.88.1", "-"},
		{"$http_referer", "", "-"},
		{"$http_x_two", "1, 2", "-"},
		{"$http_absent", "-", "-"},
		{"$cookie_a", "v w", "-"},
		{"$cookie_c", "3", "-"},
		{"$cookie_d", "-", "-"},
		{"$server_name", "example.com", "example.com"},
		{"$server_addr", "127.0.0.1", "127.0.0.1"},
		{"$server_port", "8080", "8080"},
		{"$server_protocol", "HTTP/1.1", "-"},
		{"$scheme", "http", "http"},
		{"$https", "", ""},
		{"$request_id", "ab000000000000000000000000000001", ""},
		{"$request_completion", "OK", ""},
		{"$content_length", "0", "-"},
		{"$content_type", "a/b", "-"},
		{"$connection", "42", "42"},
		{"$connection_requests", "3", "0"},
		{"$connection_time", "11.234", "10.000"},
		{"$sent_http_content_type", "text/html", "-"},
		{"$hostname", strings.ToLower(name), strings.ToLower(name)},
		{"$pid", strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getpid())},
		{"$upstream_addr", "unix:none.sock, 10.0.0.5:8000", "-"},
		{"$upstream_status", "502, -", "-"},
		{"$upstream_connect_time", "-, 0.000", "-"},
		{"$upstream_header_time", "-, 0.003", "-"},
		{"$upstream_response_time", "0.000, 0.004", "-"},
		{"$upstream_response_length", "0, 2", "-"},
		{"$upstream_bytes_received", "0, 90", "-"},
		{"$upstream_bytes_sent", "0, 80", "-"},
		{"$upstream_http_server", "gunicorn", "-"},
		{"$upstream_cookie_s", "two", "-"},
		{"$upstream_cookie_x", "1", "-"},
		{"$upstream_cookie_expires", "-", "-"},
		{"$proxy_host", "web:8000", "-"},
		{"$proxy_port", "8000", "-"},
		{"$proxy_add_x_forwarded_for", "198.51.100.7, 192.0.2.1", "192.0.2.1"},
		{"$limit_req_status", "DELAYED", "-"},
		{"$pipe", ".", "."},
		{"$gzip_ratio", "3.14", "-"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			wantLine(t, test.text, Default, usualEntry(), test.usual)
			if test.text != "$request_id" {
				wantLine(t, test.text, Default, rawEntry(), test.raw)
			}
		})
	}
	for name := range variables {
		if !tested(tests, name) && !strings.HasPrefix(name, "ssl_") { // those have tests of their own
			t.Errorf("$%s has no row in this test", name)
		}
	}
}

func tested(tests []struct{ text, usual, raw string }, name string) bool {
	for _, test := range tests {
		if test.text == "$"+name {
			return true
		}
	}
	return false
}

func wantLine(t *testing.T, text string, escape Escape, e *Entry, want string) {
	t.Helper()
	f, err := CompileFormat(text, escape)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(f.Append([]byte("before "), e)); got != "before "+want {
		t.Errorf("%s: got %q, expected %q", text, got, "before "+want)
	}
}

func TestVariablesOfUnusualRequests(t *testing.T) {
	with := func(change func(*Entry)) *Entry {
		e := usualEntry()
		change(e)
		return e
	}
	tests := []struct {
		name, text, want string
		entry            *Entry
	}{
		{"nothing was sent", "$status $body_bytes_sent", "000 0", &Entry{HeaderSent: 5}},
		{"no connection is known", "$remote_addr $connection $connection_time", "- - 0.000", &Entry{}},
		{"no byte came", "$request", "-", &Entry{}},
		{"an empty line came", "$request", "", &Entry{Line: []byte{}}},
		{"a question mark alone", "$args|$is_args", "-|", &Entry{Target: []byte("/?"), HasQuery: true}},
		{"an empty argument", "$arg_q", "", &Entry{Query: []byte("xq=1&q=")}},
		{"a unix socket", "$remote_addr|$remote_port", "unix:|", &Entry{Conn: &Conn{RemoteAddr: "unix:"}}},
		{"no proxy in front", "$realip_remote_addr|$realip_remote_port|$proxy_protocol_addr", "192.0.2.1|5|-", &Entry{Conn: &Conn{RemoteAddr: "192.0.2.1", RemotePort: "5"}}},
		{
			"a trusted proxy in front", "$remote_addr|$remote_port|$realip_remote_addr|$realip_remote_port", "198.51.100.7||192.0.2.1|5",
			&Entry{Conn: &Conn{RemoteAddr: "198.51.100.7", PeerAddr: "192.0.2.1", PeerPort: "5"}},
		},
		{"a unix peer", "$realip_remote_addr|$realip_remote_port", "unix:|", &Entry{Conn: &Conn{RemoteAddr: "198.51.100.7", RemotePort: "1", PeerAddr: "unix:"}}},
		{
			"the PROXY protocol", "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port", "a 1 b 2",
			&Entry{Conn: &Conn{Proxied: &Proxied{"a", "1", "b", "2"}}},
		},
		{"no socket that knows", "$tcpinfo_rtt", "-", &Entry{Conn: &Conn{}}},
		{"an IPv6 address in bytes", "$binary_remote_addr", `\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01`, &Entry{Conn: &Conn{RemoteAddr: "::1"}}},
		{"a unix socket in bytes", "$binary_remote_addr", "unix:", &Entry{Conn: &Conn{RemoteAddr: "unix:"}}},
		{"a port in the request line", "$request_port$is_request_port", "81:", &Entry{Line: []byte("GET http://a:81/x HTTP/1.1"), Request: fields{"Host", "b:82"}}},
		{"a URL in the query", "$request_port", "82", &Entry{Line: []byte("GET /?u=http://a:81/x HTTP/1.1"), Request: fields{"Host", "b:82"}}},
		{"a body in chunks", "$content_length", "7", &Entry{Chunked: true, BodyRead: 7}},
		{"a malformed version", "$server_protocol", "", &Entry{NoVersion: true}},
		{"$sent_http_connection while it lives on", "$sent_http_connection", "close", &Entry{Response: fields{"Connection", "keep-alive"}}},
		{"$sent_http_connection of an upgrade", "$sent_http_connection", "upgrade", &Entry{Status: 101}},
		{"an app without Server and Date", "$upstream_http_server|$upstream_http_date|$upstream_http_x", "||-", &Entry{UpstreamHeader: fields{}}},
		{"no app", "$upstream_http_server", "-", &Entry{}},
		{"no port, IPv6", "$request_port$is_request_port", "", &Entry{Request: fields{"Host", "[::1]"}}},
		{"a port, IPv6", "$request_port", "8", &Entry{Request: fields{"Host", "[::1]:8"}}},
		{"HTTP/2", "$http2$http3", "h2c", &Entry{Protocol: "HTTP/2.0"}},
		{"HTTP/2 over TLS", "$http2", "h2", &Entry{Protocol: "HTTP/2.0", Conn: &Conn{Scheme: "https"}}},
		{"HTTP/3", "$http2$http3", "h3", &Entry{Protocol: "HTTP/3.0"}},
		{"an alias", "$document_root $request_filename", "/srv/a/ /srv/a/x", &Entry{Root: "/srv/a/", RootPath: 3, Path: []byte("/b/x")}},
		{"no root", "$document_root $request_filename", "- -", &Entry{Path: []byte("/b/x")}},
		{"TLS", "$scheme $https", "https on", &Entry{Conn: &Conn{Scheme: "https"}}},
		{"a version that is not spoken", "$server_protocol", "", &Entry{Status: 505}},
		{"a pipelined request", "$pipe", "p", &Entry{Pipelined: true}},
		{"the clock went back", "$request_time", "0.000", with(func(e *Entry) { e.End = e.Start.Add(-time.Hour) })},
		{"a long request", "$request_time", "86400.000", with(func(e *Entry) { e.End = e.Start.Add(24 * time.Hour) })},
		{"UTC", "$time_iso8601 $time_local", "1970-01-01T00:00:01+00:00 01/Jan/1970:00:00:01 +0000", &Entry{End: time.Unix(1, 0).UTC()}},
		{
			"an internal redirect", "$upstream_addr|$upstream_status", "a:1, b:2 : c:3|502, 200 : -",
			&Entry{Upstream: []Try{{Addr: "a:1", Status: 502}, {Addr: "b:2", Status: 200}, {}, {Addr: "c:3"}}},
		},
		{"proxy_pass without a port", "$proxy_host $proxy_port", "web 80", &Entry{ProxyHost: "web"}},
		{"proxy_pass to an IPv6 address", "$proxy_port", "80", &Entry{ProxyHost: "[::1]"}},
		{"proxy_pass to an IPv6 address and port", "$proxy_port", "81", &Entry{ProxyHost: "[::1]:81"}},
		{"proxy_pass to a unix socket", "$proxy_port", "", &Entry{ProxyHost: "localhost", Upstream: []Try{{Addr: "unix:/s"}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantLine(t, test.text, Default, test.entry, test.want) })
	}
}

func TestRealpathRootHasNoSymlinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	wantLine(t, "$realpath_root", Default, &Entry{Root: filepath.Join(dir, "link")}, dir)
}

func TestRemoteUserIsTheUserOfBasicAuthentication(t *testing.T) {
	tests := []struct{ name, field, want string }{
		{"a user with a space", "Basic Ym9iIGI6cHc=", "bob b"},
		{"no padding, other case, a quote", "basic   YiJiOg", `b\x22b`},
		{"a colon in the password", "Basic YTpiOmM=", "a"},
		{"an empty user", "Basic OnB3", "-"},
		{"no colon", "Basic bm9jb2xvbg==", "-"},
		{"no base64", "Basic !!", "-"},
		{"one letter too many", "Basic YTpiY", "-"},
		{"another scheme", "Bearer Ym9iOnB3", "-"},
		{"nothing", "", "-"},
		{"the scheme alone", "Basic ", "-"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantLine(t, "$remote_user", Default, &Entry{Request: fields{"Authorization", test.field}}, test.want)
		})
	}
}

func TestRequestIDIsMadeOnceAndOnlyWhenAskedFor(t *testing.T) {
	f, err := CompileFormat("$request_id", Default)
	if err != nil {
		t.Fatal(err)
	}
	var one, other Entry
	first, again := string(f.Append(nil, &one)), string(f.Append(nil, &one))
	if len(first) != 32 || strings.Trim(first, "0123456789abcdef") != "" {
		t.Errorf("got %q, expected 32 hexadecimal digits", first)
	}
	if first != again {
		t.Errorf("the second use gave %q, the first %q; expected the same", again, first)
	}
	if second := string(f.Append(nil, &other)); second == first {
		t.Errorf("two requests have the id %q", first)
	}
}
