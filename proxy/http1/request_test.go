package http1

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// browser is a request as Chromium sends it, of about 560 bytes.
const browser = "GET /orders/2024/summary?page=2&sort=date HTTP/1.1\r\n" +
	"Host: shop.example.com\r\n" +
	"Connection: keep-alive\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n" +
	"Referer: http://shop.example.com/orders\r\n" +
	"Accept-Encoding: gzip, deflate\r\n" +
	"Accept-Language: en-GB,en;q=0.9\r\n" +
	"Cookie: sessionid=9f2c81d0aa7b4e6f8c31; csrftoken=Zx81kQpLm02\r\n\r\n"

func TestParseReadsBrowserRequest(t *testing.T) {
	var r Request
	n, err := r.Parse([]byte(browser+"rest"), nil)
	if err != nil || n != len(browser) {
		t.Fatalf("n, err = %d, %v", n, err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"line", string(r.Line), "GET /orders/2024/summary?page=2&sort=date HTTP/1.1"},
		{"method", string(r.Method), "GET"},
		{"target", string(r.Target), "/orders/2024/summary?page=2&sort=date"},
		{"path", string(r.Path), "/orders/2024/summary"},
		{"normal path", string(r.NormalPath), "/orders/2024/summary"},
		{"query", string(r.Query), "page=2&sort=date"},
		{"host", string(r.Host), "shop.example.com"},
	} {
		if c.got != c.want {
			t.Errorf("%s = %q, want %q", c.what, c.got, c.want)
		}
	}
	if r.Minor != 1 || !r.KeepAlive || !r.HasQuery || r.ContentLength != -1 || r.Chunked || r.Cookies != 1 {
		t.Errorf("head = %+v", r)
	}
	if len(r.Fields) != 9 {
		t.Errorf("%d fields, want 9", len(r.Fields))
	}
}

func TestParseAcceptsWhatRFC9112Allows(t *testing.T) {
	tests := []struct {
		rule, head   string
		target, host string
	}{
		{"2.2 one empty line first", "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", "/a", "a"},
		{"3.2 no Host in 1.0", "GET /a HTTP/1.0\r\n\r\n", "/a", ""},
		{"2.3 1.2 is read as 1.1", "GET /a HTTP/1.2\r\nHost: a\r\n\r\n", "/a", "a"},
		{"3.2.2 absolute-form wins", "GET http://b.test:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "/x?y", "b.test:81"},
		{"3.2.2 scheme in any case", "GET HTTPS://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "/", "b"},
		{"3.2.1 no path is /", "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "/", "b"},
		{"3.2.1 no path before a query", "GET http://b?x=/ HTTP/1.1\r\nHost: a\r\n\r\n", "/?x=/", "b"},
		{"3.2.4 asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", "a"},
		{"query alone is kept", "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", "/a?", "a"},
		{"9110 4.2.3 escapes as sent", "GET /a%20b/%C3%A9?%zz HTTP/1.1\r\nHost: a\r\n\r\n", "/a%20b/%C3%A9?%zz", "a"},
		{"8-bit as received", "GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "/caf\xc3\xa9", "a"},
		{"9110 9.1 method", "M-SEARCH /a HTTP/1.1\r\nHost: a\r\n\r\n", "/a", "a"},
		{"5.1 name in any case", "GET /a HTTP/1.1\r\nhOsT:a\r\n\r\n", "/a", "a"},
		{"5 OWS", "GET /a HTTP/1.1\r\nHost: \t a\t \r\n\r\n", "/a", "a"},
		{"5.5 empty value", "GET /a HTTP/1.1\r\nHost: a\r\nX-A:\r\n\r\n", "/a", "a"},
	}
	for _, tt := range tests {
		var r Request
		n, err := r.Parse([]byte(tt.head), nil)
		if err != nil || n != len(tt.head) {
			t.Errorf("%s: n, err = %d, %v", tt.rule, n, err)
			continue
		}
		if got := string(r.AppendTarget(nil)); got != tt.target || string(r.Host) != tt.host {
			t.Errorf("%s: target %q host %q, want %q %q", tt.rule, got, r.Host, tt.target, tt.host)
		}
	}
}

func TestParseRefusesWithTheStatusOfNginx(t *testing.T) {
	const h = "Host: a\r\n\r\n"
	long := strings.Repeat("a", 9000)
	tests := []struct {
		rule   string
		head   string
		status int
	}{
		{"3 TLS on a clear port", "\x16\x03\x01\x00q\x01", 400},
		{"3.1 lower-case method", "get / HTTP/1.1\r\n" + h, 400},
		{"3.1 no method", " / HTTP/1.1\r\n" + h, 400},
		{"3 two blanks", "GET  / HTTP/1.1\r\n" + h, 400},
		{"3 two blanks before the version", "GET /  HTTP/1.1\r\n" + h, 400},
		{"3 blank at the end", "GET / HTTP/1.1 \r\n" + h, 400},
		{"3.2 blank in the target", "GET /a b HTTP/1.1\r\n" + h, 400},
		{"3.2 fragment", "GET /a#b HTTP/1.1\r\n" + h, 400},
		{"3.2 backslash", "GET /a\\b HTTP/1.1\r\n" + h, 400},
		{"3.2 DEL", "GET /a\x7fb HTTP/1.1\r\n" + h, 400},
		{"3.2 no slash", "GET a HTTP/1.1\r\n" + h, 400},
		{"3.2.4 asterisk", "GET * HTTP/1.1\r\n" + h, 400},
		{"9110 4.2 scheme", "GET ftp://a/ HTTP/1.1\r\n" + h, 400},
		{"9110 4.2.4 user information", "GET http://u@a/ HTTP/1.1\r\n" + h, 400},
		{"9110 4.2.1 no authority", "GET http:///x HTTP/1.1\r\n" + h, 400},
		{"3986 2.1 escape", "GET /%zz HTTP/1.1\r\n" + h, 400},
		{"3986 7.3 NUL", "GET /%00 HTTP/1.1\r\n" + h, 400},
		{"3986 5.2.4 above the root", "GET /a/%2e%2e/.. HTTP/1.1\r\n" + h, 400},
		{"2.2 bare LF after the line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
		{"2.2 bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
		{"2.2 bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
		{"2.2 bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
		{"2.2 two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\n" + h, 400},
		{"2.2 empty LF line first", "\nGET / HTTP/1.1\r\n" + h, 400},
		{"2.3 version", "GET / HTTP/1.10\r\n" + h, 400},
		{"2.3 lower-case version", "GET / http/1.1\r\n" + h, 400},
		{"2.3 no version", "GET /\r\n" + h, 400},
		{"2.3 HTTP/0.9", "GET / HTTP/0.9\r\n" + h, 400},
		{"9113 3.4 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{"9110 15.6.6 HTTP/3", "GET / HTTP/3.0\r\n" + h, 505},
		{"3 line too long", "GET /" + long + " HTTP/1.1\r\n" + h, 414},
		{"5 field too long", "GET / HTTP/1.1\r\nX: " + long + "\r\n" + h, 400},
		{"5 head too long", "GET / HTTP/1.1\r\n" + strings.Repeat("X: "+long[:7000]+"\r\n", 5) + h, 400},
		{"9110 5.4 too many", "GET / HTTP/1.1\r\n" + strings.Repeat("X: a\r\n", 100) + h, 400},
		{"5.2 fold", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400},
		{"5.1 blank before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", 400},
		{"5 no colon", "GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n", 400},
		{"5 no name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400},
		{"9110 5.1 name", "GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n", 400},
		{"9110 5.5 NUL", "GET / HTTP/1.1\r\nHost: a\r\nX: b\x00\r\n\r\n", 400},
		{"9110 5.5 CTL far in", "GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789abcde\x1f\r\n\r\n", 400},
		{"9110 5.5 DEL", "GET / HTTP/1.1\r\nHost: a\r\nX: 01234567\x7f\r\n\r\n", 400},
		{"3.2 no Host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"3.2 two Hosts", "GET / HTTP/1.1\r\nHost: a\r\n" + h, 400},
		{"3.2 two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\n" + h, 400},
		{"3.2 empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
		{"3.2.2 bad Host beside absolute-form", "GET http://a/ HTTP/1.1\r\nHost: b/c\r\n\r\n", 400},
		{"6.1 length and coding", "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n" + h, 400},
		{"6.1 coding and length", "POST / HTTP/1.1\r\nTransfer-Encoding: cow\r\nContent-Length: 1\r\n" + h, 400},
		{"6.3 equal lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n" + h, 400},
		{"6.3 list of lengths", "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n" + h, 400},
		{"6.3 sign", "POST / HTTP/1.1\r\nContent-Length: +1\r\n" + h, 400},
		{"6.3 empty length", "POST / HTTP/1.1\r\nContent-Length:\r\n" + h, 400},
		{"6.3 2^63", "POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n" + h, 400},
		{"6.3 twenty digits", "POST / HTTP/1.1\r\nContent-Length: 00000000000000000001\r\n" + h, 400},
		{"6.1 coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" + h, 400},
		{"6.1 two codings", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n" + h, 400},
		{"6.1 two coding fields", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + h, 400},
		{"6.1 other coding", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" + h, 501},
		{"6.1 empty coding", "POST / HTTP/1.1\r\nTransfer-Encoding:\r\n" + h, 501},
		{"6.1 parameter", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked;q=1\r\n" + h, 501},
		{"9110 9.3.8 TRACE", "TRACE / HTTP/1.1\r\n" + h, 405},
		{"9110 9.3.6 CONNECT", "CONNECT a:80 HTTP/1.1\r\n" + h, 405},
		{"9110 5.3 two Authorizations", "GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n" + h, 400},
		{"9110 5.3 two Expects", "GET / HTTP/1.1\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n" + h, 400},
		{"9110 7.6.1 options", "GET / HTTP/1.1\r\nConnection: " + strings.Repeat("a,", 200) + "\r\n" + h, 400},
	}
	for _, tt := range tests {
		if status := refusal(t, []byte(tt.head), 1<<20); status != tt.status {
			t.Errorf("%s: status %d, want %d", tt.rule, status, tt.status)
		}
		if status := refusal(t, []byte(tt.head), 1); status != tt.status {
			t.Errorf("%s, byte by byte: status %d, want %d", tt.rule, status, tt.status)
		}
	}
}

// refusal returns the status that head is refused with, 0 if it is not.
func refusal(t *testing.T, head []byte, step int) int {
	t.Helper()
	var r Request
	for have := min(step, len(head)); ; have = min(have+step, len(head)) {
		_, err := r.Parse(head[:have], nil)
		var refused *Error
		if errors.As(err, &refused) {
			if _, again := r.Parse(head, nil); again != err {
				t.Errorf("%.40q: refused, then %v", head, again)
			}
			return refused.Status
		}
		if err == nil || have == len(head) {
			return 0
		}
	}
}

func TestParseRefusesAtTheFirstBadByte(t *testing.T) {
	for _, head := range []string{
		"\x16", "g", "GET /\x00", "GET / HTTQ", "GET / HTTP/2.0", "GET / HTTP/1.1\r\nX(", "GET / HTTP/1.1\r\nX ",
		"GET / HTTP/1.1\r\n ", "GET / HTTP/1.1\r\nX: a\x00", "GET http://u@a/ HTTP/1.1\r\n", "\n", "\r\r", "GET / HTTP/1.1\r\nX\r",
	} {
		var r Request
		var refused *Error
		if _, err := r.Parse([]byte(head), nil); !errors.As(err, &refused) {
			t.Errorf("%q: %v, want a refusal before the line ends", head, err)
		}
	}
}

func TestParseNeedsEveryByteOfAHead(t *testing.T) {
	for _, moved := range []bool{false, true} {
		var r Request
		for i := range len(browser) {
			buf := []byte(browser)[:i]
			if !moved {
				buf = browserBytes[:i]
			}
			if n, err := r.Parse(buf, nil); n != 0 || err != ErrIncomplete {
				t.Fatalf("moved %v, %d bytes: %d, %v", moved, i, n, err)
			}
		}
		if n, err := r.Parse(browserBytes, nil); n != len(browser) || err != nil || len(r.Fields) != 9 {
			t.Errorf("moved %v: %d, %v, %d fields", moved, n, err, len(r.Fields))
		}
	}
}

var browserBytes = []byte(browser)

func TestRefusedRequestStaysReadableForTheLog(t *testing.T) {
	tests := []struct{ head, line, method, target, referer string }{
		{"", "", "", "", ""},
		{"\r\n", "", "", "", ""},
		{"GET /a", "GET /a", "", "", ""},
		{"GET /a HTTP/1.1\r", "GET /a HTTP/1.1", "", "", ""},
		{"\x16\x03\x01\r\nabc\n", "\x16\x03\x01", "", "", ""},
		{"\r\nget /a HTTP/1.1\r\nHost: a\r\n\r\n", "get /a HTTP/1.1", "", "", ""},
		{"GET /a HTTP/2.0\r\n", "GET /a HTTP/2.0", "", "", ""},
		{"GET /%zz HTTP/1.1\r\n", "GET /%zz HTTP/1.1", "GET", "", ""},
		{"GET x HTTP/1.1\r\n", "GET x HTTP/1.1", "", "", ""},
		{"GET /a HTTP/1.1\r\nReferer: r\r\nX : y\r\n", "GET /a HTTP/1.1", "GET", "/a", "r"},
		{"GET /a HTTP/1.1\r\nReferer: r\r\n\r\n", "GET /a HTTP/1.1", "GET", "/a", "r"},
		{"GET /" + strings.Repeat("a", 9000), "GET /" + strings.Repeat("a", DefaultLine-5), "", "", ""},
	}
	for _, tt := range tests {
		var r Request
		if _, err := r.Parse([]byte(tt.head), nil); err == nil {
			t.Errorf("%.40q: accepted", tt.head)
		}
		referer, _ := r.Get("referer")
		if string(r.Line) != tt.line || string(r.Method) != tt.method || string(r.Target) != tt.target || string(referer) != tt.referer {
			t.Errorf("%.40q: line %.40q method %q target %q referer %q", tt.head, r.Line, r.Method, r.Target, referer)
		}
	}
}

func TestRefusedHeadHasTheLengthThatWasTaken(t *testing.T) {
	for _, tt := range []struct {
		head   string
		length int
		fields int
	}{
		{"GET x HTTP/1.1\r\n", 0, 0},
		{"GET /%zz HTTP/1.1\r\n", 19, 0},
		{"\r\nGET / HTTP/1.1\r\nA: b\r\nC", 22, 1},
		{"GET / HTTP/1.1\r\nA: b\r\nC : d\r\n", 22, 1},
		{"GET / HTTP/1.1\r\nA: b\r\n\r\n", 24, 1},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b  \r\nC: d\r\n\r\n", 36, 1},
		{"GET / HTTP/1.1\r\nHost: a/b\r\nC: d\r\n\r\n", 27, 2},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX: y\r\nContent-Length: 2\r\nC: d\r\n\r\n", 69, 3},
	} {
		var r Request
		if _, err := r.Parse([]byte(tt.head), nil); err == nil {
			t.Errorf("%q: accepted", tt.head)
		}
		if r.Length() != tt.length || len(r.Fields) != tt.fields {
			t.Errorf("%q: length %d with %d fields, want %d and %d", tt.head, r.Length(), len(r.Fields), tt.length, tt.fields)
		}
	}
}

func TestKeepAliveUpgradeAndExpect(t *testing.T) {
	tests := []struct {
		head            string
		keep, expect100 bool
		upgrade         string
	}{
		{"GET / HTTP/1.1\r\n", true, false, ""},
		{"GET / HTTP/1.1\r\nConnection: Close\r\n", false, false, ""},
		{"GET / HTTP/1.1\r\nConnection: keep-alive, close\r\n", false, false, ""},
		{"GET / HTTP/1.1\r\nConnection: a\r\nConnection: ,close\r\n", false, false, ""},
		{"GET / HTTP/1.0\r\n", false, false, ""},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", true, false, ""},
		{"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", true, false, "websocket"},
		{"GET / HTTP/1.1\r\nUpgrade: websocket\r\n", true, false, ""},
		{"GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket\r\n", true, false, ""},
		{"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n", true, false, ""},
		{"PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n", true, true, ""},
		{"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n", true, false, ""},
		{"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", false, false, ""},
		{"PUT / HTTP/1.1\r\nExpect: 200-ok\r\nContent-Length: 1\r\n", true, false, ""},
	}
	for _, tt := range tests {
		var r Request
		if _, err := r.Parse([]byte(tt.head+"Host: a\r\n\r\n"), nil); err != nil {
			t.Errorf("%q: %v", tt.head, err)
		}
		if r.KeepAlive != tt.keep || r.Expect100 != tt.expect100 || string(r.Upgrade) != tt.upgrade {
			t.Errorf("%q: keep-alive %v expect %v upgrade %q", tt.head, r.KeepAlive, r.Expect100, r.Upgrade)
		}
	}
}

func TestLimitsCountLinesWithTheirEnds(t *testing.T) {
	const head = "GET /12345 HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"
	exact := Limits{Line: 21, Field: 9, Total: len(head), Fields: 2}
	var r Request
	if _, err := r.Parse([]byte(head), &exact); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		limits Limits
		status int
	}{
		{Limits{Line: 20}, 414}, {Limits{Field: 8}, 400}, {Limits{Total: len(head) - 1}, 400}, {Limits{Fields: 1}, 400},
	} {
		r.Reset()
		_, err := r.Parse([]byte(head), &tt.limits)
		var refused *Error
		if !errors.As(err, &refused) || refused.Status != tt.status {
			t.Errorf("%+v: %v, want status %d", tt.limits, err, tt.status)
		}
	}
}

func TestPipelinedRequestsAreReadOneAfterTheOther(t *testing.T) {
	wire := []byte("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab" +
		"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ncde\r\n0\r\n\r\n" +
		"GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, step := range []int{1, 3, len(wire)} {
		c := serve(wire, step)
		if c.err != nil || len(c.requests) != 3 {
			t.Fatalf("step %d: %+v", step, c)
		}
		for i, want := range []string{"/1 ab", "/2 cde", "/3 "} {
			if got := c.requests[i].target + " " + c.requests[i].body; got != want {
				t.Errorf("step %d, request %d: %q, want %q", step, i, got, want)
			}
		}
	}
}

func TestParseOfWarmRequestAllocatesNothing(t *testing.T) {
	heads := [][]byte{
		browserBytes,
		[]byte("GET http://A.Test/a%2fb/../c HTTP/1.1\r\nHost: B\r\nConnection: x, close\r\nX: y\r\n\r\n"),
		[]byte("get / HTTP/1.1\r\n"),
		[]byte("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
	}
	for _, head := range heads {
		var r Request
		if n := testing.AllocsPerRun(100, func() {
			r.Reset()
			_, _ = r.Parse(head, nil)
		}); n != 0 {
			t.Errorf("%.30q: %v allocations", head, n)
		}
	}
}

func TestResetLetsGoOfTheBuffer(t *testing.T) {
	var r Request
	if _, err := r.Parse(bytes.Clone(browserBytes), nil); err != nil {
		t.Fatal(err)
	}
	r.Reset()
	for _, f := range r.Fields[:cap(r.Fields)] {
		if f.Name != nil || f.Value != nil {
			t.Fatal("a field still points into the buffer")
		}
	}
	if r.Line != nil || r.Host != nil || r.section.base != nil {
		t.Error("the request still points into the buffer")
	}
}

func TestHeadIsRefusedAsSoonAsItCannotFit(t *testing.T) {
	line := "X: " + strings.Repeat("a", 7000) + "\r\n"
	head := "GET / HTTP/1.1\r\n" + strings.Repeat(line, 5)
	var r Request
	if _, err := r.Parse([]byte(head[:DefaultTotal-1]), nil); err != ErrIncomplete {
		t.Errorf("one byte less: %v", err)
	}
	if _, err := r.Parse([]byte(head[:DefaultTotal]), nil); err != errHeadTooLong {
		t.Errorf("%v, want %v", err, errHeadTooLong)
	}
}

func TestNextHeadMayBeMovedToTheFrontOfTheBuffer(t *testing.T) {
	buf := []byte("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n")
	var r Request
	var a Response
	n, err := r.Parse(buf, nil)
	if err != nil {
		t.Fatal(err)
	}
	buf = buf[:copy(buf, buf[n:])]
	if n, err := r.Parse(buf, nil); n != len(buf) || err != nil || string(r.Path) != "/2" || string(r.Host) != "b" || len(r.Fields) != 1 {
		t.Errorf("%d, %v, %+v", n, err, r)
	}
	buf = []byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\n\r\n")
	if n, err = a.Parse(buf, nil); err != nil {
		t.Fatal(err)
	}
	buf = buf[:copy(buf, buf[n:])]
	if n, err := a.Parse(buf, nil); n != len(buf) || err != nil || a.Status != 200 || len(a.Fields) != 1 {
		t.Errorf("%d, %v, %+v", n, err, a)
	}
}
