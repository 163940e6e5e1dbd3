package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

func echo(c net.Conn, q request) bool {
	io.WriteString(c, ok(q.target()+q.body))
	return false
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	r := newRig(t, nil)
	r.backend(1, echo)
	r.ready(1, 0)
	const n = 1000
	c := r.dial()
	go func() {
		for i := range n {
			fmt.Fprintf(c, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy", i)
		}
	}()
	br := bufio.NewReader(c)
	for i := range n {
		if status, body := readAnswer(t, br, "POST"); status != 200 || body != fmt.Sprintf("/%dxy", i) {
			t.Fatalf("answer %d of %d: %d %q", i, n, status, body)
		}
	}
	t.Logf("%d sent, %d answered, 0 failed", n, n)
}

func TestPipelinedRequestIsMarkedInTheLog(t *testing.T) {
	r := newRig(t, func(c *Config) {
		returning("200")(c)
		c.Formats["test"] = accesslog.FormatSetting{Format: "$request_uri $pipe"}
	})
	r.raw("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	wantLines(t, r, "/1 .", "/2 p")
}

func TestConnectionLivesOnAsHTTPSays(t *testing.T) {
	const alive, closed = "Connection: keep-alive\r\n", "Connection: close\r\n"
	cases := []struct{ name, request, want string }{
		{"1.1", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", alive},
		{"1.1 close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", closed},
		{"1.0", "GET / HTTP/1.0\r\n\r\n", closed},
		{"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", alive},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.backend(1, echo)
			r.ready(1, 0)
			client := r.dial()
			io.WriteString(client, c.request)
			got := readHead(t, bufio.NewReader(client))
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func readHead(t *testing.T, br *bufio.Reader) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

func TestConnectionEndsAfterKeepaliveRequests(t *testing.T) {
	two := 2
	r := newRig(t, func(c *Config) { c.Servers[0].KeepaliveRequests = &two })
	r.backend(1, echo)
	r.ready(1, 0)
	got, _ := r.raw(strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 5))
	if n := strings.Count(got, "HTTP/1.1 200"); n != 2 {
		t.Errorf("%d answers, want 2: %q", n, got)
	}
}

func TestIdleConnectionEndsAfterKeepaliveTimeoutWithoutALogLine(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Servers[0].KeepaliveTimeout = duration(50 * time.Millisecond) })
	r.backend(1, echo)
	r.ready(1, 0)
	if got, broken := r.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); broken || !strings.HasSuffix(got, "\r\n\r\n/") {
		t.Errorf("got %q, broken %v", got, broken)
	}
	wantLines(t, r, `"GET / HTTP/1.1" 200 1 "unix:web.1.sock" "200" OK`)
}

func duration(d time.Duration) *value.Duration { return (*value.Duration)(&d) }

// Statuses of requests that never reach an app, as nginx answers and logs them.
func TestRefusedRequestIsAnsweredAndLoggedAsNginxDoes(t *testing.T) {
	long := strings.Repeat("a", maxHeadLine)
	tooLarge := "HTTP/1.1 400 Bad Request\nContent-Type: text/html\nContent-Length: 228\nConnection: close\n\n" +
		strings.Replace(strings.Replace(page("400 Bad Request"), "<title>400 Bad Request", "<title>400 Request Header Or Cookie Too Large", 1),
			"</h1></center>\n", "</h1></center>\n<center>Request Header Or Cookie Too Large</center>\n", 1)
	cases := []struct{ name, request, client, log string }{
		{"binary", "\x16\x03\x01\x02\n\n", refusedPage("400 Bad Request"), `"\x16\x03\x01\x02" 400 152 "-" "-" OK`},
		{"lower-case method", "get / HTTP/1.1\nHost: a\n\n", refusedPage("400 Bad Request"), `"get / HTTP/1.1" 400 152 "-" "-" OK`},
		{"no host", "GET / HTTP/1.1\n\n", refusedPage("400 Bad Request"), `"GET / HTTP/1.1" 400 152 "-" "-" OK`},
		{"above the root", "GET /../x HTTP/1.1\nHost: a\n\n", refusedPage("400 Bad Request"), `"GET /../x HTTP/1.1" 400 152 "-" "-" OK`},
		{"trace", "TRACE / HTTP/1.1\nHost: a\n\n", refusedPage("405 Not Allowed"), `"TRACE / HTTP/1.1" 405 152 "-" "-" OK`},
		{"coding", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip\n\n", refusedPage("501 Not Implemented"), `"POST / HTTP/1.1" 501 160 "-" "-" OK`},
		{"version", "GET / HTTP/2.0\nHost: a\n\n", refusedPage("505 HTTP Version Not Supported"), `"GET / HTTP/2.0" 505 182 "-" "-" OK`},
		{"long line", "GET /" + long + " HTTP/1.1\nHost: a\n\n", refusedPage("414 Request-URI Too Large"), ""},
		{"long field", "GET / HTTP/1.1\nHost: a\nX: " + long + "\n\n", tooLarge, `"GET / HTTP/1.1" 400 228 "-" "-" OK`},
		{"known length too large", "POST / HTTP/1.1\nHost: a\nContent-Length: 2000000\n\n", refusedPage("413 Request Entity Too Large"), `"POST / HTTP/1.1" 413 178 "-" "-" OK`},
		{"smuggled", "POST / HTTP/1.1\nHost: a\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\n\nGET /evil HTTP/1.1\nHost: a\n\n", refusedPage("400 Bad Request"), `"POST / HTTP/1.1" 400 152 "-" "-" OK`},
		{"bad chunk", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\nzz\n\nGET /evil HTTP/1.1\nHost: a\n\n", refusedPage("400 Bad Request"), `"POST / HTTP/1.1" 400 152 "-" "-" OK`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			b := r.backend(1, echo)
			r.ready(1, 0)
			client := r.dial()
			io.WriteString(client, crlfs(c.request))
			client.(*net.TCPConn).CloseWrite()
			out, err := io.ReadAll(client)
			if got := strings.Replace(maskDate(string(out)), "Server: paddock\r\n", "", 1); got != crlfs(c.client) || err != nil {
				t.Errorf("client\n got %q, %v\nwant %q", got, err, crlfs(c.client))
			}
			if lines := r.lines(); len(lines) != 1 || c.log != "" && lines[0] != c.log {
				t.Errorf("log\n got %q\nwant %q", lines, c.log)
			}
			if n := len(b.seen()); n != 0 {
				t.Errorf("the app got %d requests", n)
			}
		})
	}
}

func refusedPage(title string) string {
	return fmt.Sprintf("HTTP/1.1 %s\nContent-Type: text/html\nContent-Length: %d\nConnection: close\n\n%s", title, len(crlfs(page(title))), page(title))
}

func TestClientThatStallsOrLeavesIsLoggedWithoutAnAnswer(t *testing.T) {
	short := func(c *Config) {
		c.Servers[0].ClientHeaderTimeout = duration(50 * time.Millisecond)
		c.Servers[0].ClientBodyTimeout = duration(50 * time.Millisecond)
	}
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc"
	cases := []struct {
		name, send string
		leaves     bool
		want       []string
	}{
		{"silent", "", false, nil},
		{"leaves silently", "", true, nil},
		{"slow head", "GET / HTTP/1.1\r\nHo", false, []string{`"GET / HTTP/1.1" 408 0 "-" "-" `}},
		{"slow body", post, false, []string{`"POST / HTTP/1.1" 408 0 "-" "-" `}},
		{"leaves in the line", "GET /par", true, []string{`"GET /par" 400 0 "-" "-" `}},
		{"leaves in the head", "GET / HTTP/1.1\r\nHo", true, []string{`"GET / HTTP/1.1" 400 0 "-" "-" `}},
		{"leaves in the body", post, true, []string{`"POST / HTTP/1.1" 400 0 "-" "-" `}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, short)
			r.backend(1, echo)
			r.ready(1, 0)
			client := r.dial()
			io.WriteString(client, c.send)
			if c.leaves {
				client.(*net.TCPConn).CloseWrite()
			}
			if out, err := io.ReadAll(client); len(out) > 0 || err != nil {
				t.Errorf("got %q, %v; want a silent close", out, err)
			}
			wantLines(t, r, c.want...)
		})
	}
}

func TestHeaderTimeoutIsNotResetByEachByte(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Servers[0].ClientHeaderTimeout = duration(300 * time.Millisecond) })
	client := r.dial()
	start, ended := time.Now(), make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, client)
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	text := "GET / HTTP/1.1\r\nX: " + strings.Repeat("a", 1000)
	for i := 0; ; i++ {
		select {
		case <-ended:
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("closed after %v", d)
			}
			return
		case <-tick.C:
			client.Write([]byte{text[i]})
		}
	}
}

func TestRefusalIsSeenByAClientThatGoesOnSending(t *testing.T) {
	const n = 100
	r := newRig(t, nil)
	r.ready(1, 0)
	body := strings.Repeat("x", 3<<20)
	for i := range n {
		c := r.dial()
		go io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3145728\r\n\r\n"+body)
		if status, _ := readAnswer(t, bufio.NewReader(c), "POST"); status != 413 {
			t.Fatalf("answer %d of %d: %d, want 413", i, n, status)
		}
		c.Close()
	}
	t.Logf("%d sent, %d refused with 413, 0 failed", n, n)
}

func TestPanicCostsOneRequest(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Servers[0].App = ""
		c.Servers[0].Location = []Location{{Path: "/", ProxyPass: "http://web"}, {Path: "/panic", ProxyPass: "http://web"}}
	})
	r.backend(1, echo)
	r.ready(1, 0)
	snap := r.proxy.snap.Load()
	place, _ := snap.sites[r.key].fallback.table.find([]byte("/panic"))
	place.pass.upstream = nil
	r.proxy.snap.Store(snap)
	if got, _ := r.raw("GET /panic HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 500 ") || strings.Contains(got, "/next") {
		t.Errorf("got %q, want one 500 and the end", got)
	}
	if status, _ := r.get("/"); status != 200 {
		t.Errorf("another request: %d, want 200", status)
	}
	wantLines(t, r, `"GET /panic HTTP/1.1" 500 172 "-" "-" OK`, `"GET / HTTP/1.1" 200 1 "unix:web.1.sock" "200" OK`)
}
